import { rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import type { DoctorCheck } from './doctor-check.ts'

/** No machine that runs this was ever rightly before it. */
const EARLIEST = Date.UTC(2026, 0, 1)
const TOLERANCE_MS = 2 * 60_000

/** Snapshots are named, kept and forgotten by the clock: is it near what the file system says? */
export async function checkClock(clock: Clock, scratchDir: string): Promise<DoctorCheck> {
  const common = { area: 'clock', name: 'clock' } as const
  const now = clock.now()
  const hint = 'Set the clock and let NTP keep it ("timedatectl set-ntp true").'
  if (now.getTime() < EARLIEST) {
    return { ...common, status: 'error', message: `the clock says ${now.toISOString()}, which is too early`, hint }
  }
  const file = join(scratchDir, 'clock')
  await writeFile(file, '', { mode: 0o600 })
  const { mtimeMs } = await stat(file)
  await rm(file)
  const offMs = Math.abs(mtimeMs - clock.now().getTime())
  if (offMs > TOLERANCE_MS) {
    const message = `the clock and the file system are ${Math.round(offMs / 1000)} s apart`
    return { ...common, status: 'warning', message, hint }
  }
  const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone
  return { ...common, status: 'ok', message: `${now.toISOString()}, time zone ${zone}` }
}
