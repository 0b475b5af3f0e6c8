import { AppError, throwIfAborted } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import type { Id } from '../../model/node.ts'
import { shortId } from '../format/file-keys.ts'
import { HeldLock } from './held-lock.ts'
import { describeOwner, type FoundLock, findLocks, removeStale } from './locks.ts'
import { type LocksContext, SETTLE_MS } from './locks-context.ts'
import { writeLock } from './write-lock.ts'

export interface LockRequest extends LocksContext {
  readonly exclusive: boolean
  /** How long to wait for a conflicting lock to go away. */
  readonly waitMs: number
  readonly random: Random
  readonly signal?: AbortSignal | undefined
  /**
   * Look for others before the lock is written too. Default: yes. Not needed for a shared lock that is used only once it has
   * settled, and is not waited for: of two that come at once each sees the other, and here one may have come long before.
   */
  readonly looksFirst?: boolean | undefined
  /** A lock of the same owner, which is in its own way no more than it is in that of others. */
  readonly beside?: HeldLock | undefined
  /** The lock file is there, so others see it; whether one came at the same moment is seen a little later. */
  readonly onWritten?: (() => void) | undefined
}

const RETRY_MS = 500

/**
 * Takes a lock by restic's protocol: look for conflicting locks, write one's own, wait, look again. Any number of shared
 * locks may be held at once; an exclusive one only alone. `repository-locked` when a conflicting lock stays.
 *
 * @see https://github.com/restic/restic/blob/master/doc/design.rst#locks
 */
export async function acquireLock(request: LockRequest): Promise<HeldLock> {
  const deadline = request.clock.monotonicMs() + request.waitMs
  for (let attempt = 1; ; attempt++) {
    if (attempt > 1 || request.exclusive || request.looksFirst !== false) await waitForOthers(request, deadline)
    const write = (): Promise<Id> => writeLock(request, request.exclusive)
    const lock = new HeldLock(request, await write(), write)
    request.onWritten?.()
    const conflict = await settle(request, lock)
    if (!conflict) return lock
    if (request.clock.monotonicMs() >= deadline) throw lockedError(conflict)
    // Both may have seen each other and stepped back: not at the same moment again.
    await request.clock.sleep(RETRY_MS + (request.random.bytes(1)[0] ?? 0) * 2, request.signal)
  }
}

/** The conflicting lock that appeared meanwhile; then, and after an error, the own one is released. */
async function settle(request: LockRequest, lock: HeldLock): Promise<FoundLock | undefined> {
  try {
    await request.clock.sleep(SETTLE_MS, request.signal)
    throwIfAborted(request.signal)
    const conflict = await findConflict(request, new Set([lock.id]))
    if (conflict) await lock.release()
    return conflict
  } catch (error) {
    await lock.release()
    throw error
  }
}

async function waitForOthers(request: LockRequest, deadline: number): Promise<void> {
  for (;;) {
    throwIfAborted(request.signal)
    const conflict = await findConflict(request, new Set())
    if (!conflict) return
    const left = deadline - request.clock.monotonicMs()
    if (left <= 0) throw lockedError(conflict)
    await request.clock.sleep(Math.min(RETRY_MS, left), request.signal)
  }
}

async function findConflict(request: LockRequest, own: ReadonlySet<Id>): Promise<FoundLock | undefined> {
  const { beside } = request
  const locks = beside
    ? await beside.whileStill(id => findLocks(request, new Set([...own, id])))
    : await findLocks(request, own)
  await removeStale(
    request,
    locks.filter(({ stale }) => stale),
  )
  const living = locks.filter(({ stale }) => !stale)
  const unreadable = living.find(({ lock }) => lock === undefined)
  if (unreadable) reportUnreadable(request, unreadable.id)
  // Exclusive locks are short and rare, and the owner of one whose write is under way will see ours.
  return living.find(({ lock }) => request.exclusive || lock?.exclusive === true)
}

function reportUnreadable(request: LockRequest, id: Id): void {
  request.onFinding({
    severity: 'warning',
    code: 'lock-unreadable',
    subject: `lock ${shortId(id)}`,
    message: 'the lock file cannot be read; nothing may be deleted until it is some minutes old',
    hint: 'Run "lifeboat unlock --all" when no other process uses the repository.',
  })
}

function lockedError({ id, lock }: FoundLock): AppError {
  const owner = lock
    ? `by ${describeOwner(lock)} since ${lock.time.toISOString()}`
    : `with the unreadable lock ${shortId(id)}`
  return new AppError('repository-locked', `repository is locked ${owner}`, {
    hint: 'Wait for the other process to end. If it is certainly gone, run "lifeboat unlock --all".',
    context: { lock: id, pid: lock?.pid, hostname: lock?.hostname },
  })
}
