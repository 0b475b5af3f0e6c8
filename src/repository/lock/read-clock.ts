import { isAppError } from '../../base/errors.ts'
import type { StorageClock } from './storage-clock.ts'
import { writeLock } from './write-lock.ts'

/** The storage's time. Undefined where it does not tell, or nothing may be written to learn it. */
export async function readClock(
  storageClock: StorageClock,
  request: Parameters<typeof writeLock>[0],
): Promise<Date | undefined> {
  try {
    const now = await storageClock.now(() => writeLock(request, false))
    return now === undefined ? undefined : new Date(now)
  } catch (error) {
    if (isAppError(error, 'storage-denied') || isAppError(error, 'storage-full')) return undefined
    throw error
  }
}
