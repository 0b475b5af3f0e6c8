import { AppError, messageOf } from '../../base/errors.ts'
import { loadCryptography } from '../../repository/index.ts'
import type { DoctorCheck } from './doctor-check.ts'

/** Can this machine run us, and does it know what time zone it is in? */
export async function checkPlatform(
  timeZone: string | undefined,
  load: () => Promise<void> = loadCryptography,
): Promise<DoctorCheck[]> {
  return [await checkAddOn(load), ...checkTimeZone(timeZone)]
}

async function checkAddOn(load: () => Promise<void>): Promise<DoctorCheck> {
  const common = { area: 'versions', name: 'sodium-native' } as const
  try {
    await load()
    return { ...common, status: 'ok', message: 'the add-on can be loaded' }
  } catch (error) {
    const hint = error instanceof AppError && error.hint !== undefined ? { hint: error.hint } : {}
    return { ...common, status: 'error', message: messageOf(error), ...hint }
  }
}

/** Node takes UTC for a zone that it does not know, without a word. */
function checkTimeZone(timeZone: string | undefined): DoctorCheck[] {
  if (timeZone === undefined || timeZone === '') return []
  const common = { area: 'clock', name: 'TZ' } as const
  try {
    Intl.DateTimeFormat('en', { timeZone: timeZone.replace(/^:/, '') })
    return [{ ...common, status: 'ok', message: timeZone }]
  } catch {
    const message = `TZ is "${timeZone}", which is no time zone: schedules and times are taken as UTC`
    return [{ ...common, status: 'warning', message, hint: 'Set TZ to a name such as Europe/Berlin, or unset it.' }]
  }
}
