import type { Id } from '../../model/node.ts'
import type { LockFile } from '../format/lock-file.ts'
import type { LocksContext } from './locks-context.ts'
import { writeLock } from './write-lock.ts'

/** Clocks that people keep differ by so much. */
const TOLERANCE_MS = 5 * 60_000

/**
 * Was a lock file not written anew for longer than `limitMs`? Only if nothing speaks against it: the time in the lock
 * is the owner's clock read by ours, and either may be wrong; the storage's own time must agree. Where the storage
 * tells none, this process must have watched the file unchanged for so long.
 */
export async function isOlderThan(
  context: LocksContext,
  id: Id,
  lock: LockFile | undefined,
  limitMs: number,
): Promise<boolean> {
  const watchedMs = watch(context, id)
  if (lock !== undefined && !mayBeOlder(lock, context.clock.now(), limitMs)) return false
  const written = await context.files.modifiedAt('lock', id)
  if (written === undefined) return watchedMs > limitMs
  const now = await context.storageClock.now(() => writeLock(context, false))
  return now === undefined ? watchedMs > limitMs : now - written.getTime() > limitMs
}

/** A time in the future comes from a clock that is wrong and tells nothing. */
function mayBeOlder(lock: LockFile, now: Date, limitMs: number): boolean {
  const ageMs = now.getTime() - lock.time.getTime()
  return ageMs > limitMs || ageMs < -TOLERANCE_MS
}

/** For how long this process has seen the file. A lock that is written anew has another id. */
function watch({ seen, clock }: LocksContext, id: Id): number {
  const now = clock.monotonicMs()
  const since = seen.get(id) ?? now
  seen.set(id, since)
  return now - since
}
