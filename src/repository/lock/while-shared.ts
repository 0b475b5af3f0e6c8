import { isAppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import { isStorageError } from '../read/others.ts'
import { acquireLock, type LockRequest } from './acquire.ts'
import type { HeldLock } from './held-lock.ts'

export interface SharedWork {
  /** Of a shared lock. */
  readonly lock: Omit<LockRequest, 'signal' | 'onWritten'>
  readonly signal: AbortSignal
  readonly onFinding: (finding: Finding) => void
  /** Others give what this repository cannot: a storage that is away is no reason to stop. */
  readonly isHelped?: boolean
}

const NOT_LOCKED: Finding = {
  severity: 'warning',
  code: 'not-locked',
  subject: 'lock',
  message: 'the repository cannot be written to, so nothing keeps others from pruning it meanwhile',
}

/**
 * Runs `work` under a shared lock, so that nothing is pruned meanwhile. It begins while the lock still settles; where
 * locks cannot be written, as on a read-only or a full disk, it goes on without.
 */
export async function whileShared<T>(request: SharedWork, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { isHelped = false } = request
  const stop = new AbortController()
  const done = new AbortController()
  const signal = AbortSignal.any([request.signal, stop.signal])
  const written = Promise.withResolvers<void>()
  const locking = lockIfPossible(request, AbortSignal.any([signal, done.signal]), written.resolve)
  locking.then(
    lock => isHelped || lock?.lost.addEventListener('abort', () => stop.abort(lock.lost.reason)),
    (error: unknown) => done.signal.aborted || stop.abort(error),
  )
  await Promise.race([written.promise, locking])
  const [outcome] = await Promise.allSettled([work(signal)])
  // Work that was done before the lock had settled needs it no more.
  done.abort()
  const [locked] = await Promise.allSettled([locking])
  if (locked.status === 'fulfilled') await release(locked.value, isHelped)
  if (stop.signal.aborted) throw stop.signal.reason
  if (outcome.status === 'rejected') throw outcome.reason
  return outcome.value
}

async function lockIfPossible(
  { lock, onFinding, isHelped }: SharedWork,
  signal: AbortSignal,
  onWritten: () => void,
): Promise<HeldLock | undefined> {
  try {
    return await acquireLock({ ...lock, signal, onWritten })
  } catch (error) {
    const isReadOnly = isAppError(error, 'storage-denied') || isAppError(error, 'storage-full')
    if (!isReadOnly && !(isHelped && isStorageError(error))) throw error
    onFinding(NOT_LOCKED)
    return undefined
  }
}

/** It goes stale where its file cannot be removed. */
async function release(lock: HeldLock | undefined, isHelped: boolean): Promise<void> {
  try {
    await lock?.release()
  } catch (error) {
    if (!isHelped || !isStorageError(error)) throw error
  }
}
