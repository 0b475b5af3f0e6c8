import type { Clock } from '../../base/clock.ts'
import { fileSystemNow } from '../../base/file-system-time.ts'
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
  const offMs = Math.abs((await fileSystemNow(scratchDir)) - clock.now().getTime())
  if (offMs > TOLERANCE_MS) {
    const message = `the clock and the file system are ${Math.round(offMs / 1000)} s apart`
    return { ...common, status: 'warning', message, hint }
  }
  const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone
  return { ...common, status: 'ok', message: `${now.toISOString()}, time zone ${zone}` }
}

/**
 * Does another machine's clock agree with ours? Snapshots are ordered, kept and chosen by ours, locks by the storage's,
 * and what a database recovers to by its own.
 */
export async function compareClock(
  common: Pick<DoctorCheck, 'area' | 'name'>,
  what: string,
  clock: Clock,
  read: () => Promise<Date | undefined>,
): Promise<DoctorCheck[]> {
  const before = clock.now().getTime()
  const theirs = await read()
  if (theirs === undefined) return []
  const after = clock.now().getTime()
  const offMs = theirs.getTime() - (before + after) / 2
  if (Math.abs(offMs) <= TOLERANCE_MS + (after - before)) return []
  const message = `the clock of ${what} is ${Math.round(Math.abs(offMs) / 1000)} s ${offMs > 0 ? 'ahead of' : 'behind'} ours`
  return [{ ...common, status: 'warning', message, hint: `Let NTP keep both ("timedatectl set-ntp true").` }]
}
