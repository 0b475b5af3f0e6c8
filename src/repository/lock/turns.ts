import { AppError, isAppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import { acquireLock, type LockRequest } from './acquire.ts'
import type { HeldLock } from './held-lock.ts'

/** What was done for a turn is worth waiting for a backup that will soon be done. */
const TURN_WAIT_MS = 2 * 60_000

export interface Turns {
  /** Does `work` while nobody else uses the repository. Its signal fires when that is not certain any more. */
  exclusively<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T>
}

/** Of who changes nothing. */
export const NO_TURNS: Turns = { exclusively: work => work(new AbortController().signal) }

export interface TurnsRequest extends Omit<LockRequest, 'exclusive' | 'beside' | 'onWritten'> {
  readonly signal: AbortSignal
  /** Where the storage is too full to take a lock file, go on without: a person said that nobody else uses it. */
  readonly withoutLock: boolean
}

/**
 * Runs `work` under a shared lock, which keeps others from pruning while backups go on; for the moments that need the
 * repository alone it takes the exclusive one beside it.
 */
export async function whileSharedWithTurns<T>(
  request: TurnsRequest,
  work: (turns: Turns, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const shared = await acquireIfPossible(request, { exclusive: false })
  const signal = signalOf(request.signal, shared)
  const waitMs = Math.max(request.waitMs, TURN_WAIT_MS)
  let turns = 0
  const exclusively = async <R>(alone: (signal: AbortSignal) => Promise<R>): Promise<R> => {
    await shared?.assertHeld()
    // Nothing was done yet that would be lost.
    const wait = turns++ === 0 ? request.waitMs : waitMs
    return await whileAlone({ ...request, waitMs: wait, signal, beside: shared }, alone)
  }
  try {
    return await work({ exclusively }, signal)
  } finally {
    await shared?.release()
  }
}

/** Runs `work` under the exclusive lock. */
export async function whileAlone<T>(
  request: TurnsRequest & Pick<LockRequest, 'beside'>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lock = await acquireIfPossible(request, { exclusive: true })
  try {
    return await work(signalOf(request.signal, lock))
  } finally {
    await lock?.release()
  }
}

/** Undefined where the storage is full: others were looked for all the same. */
async function acquireIfPossible(
  request: TurnsRequest & Pick<LockRequest, 'beside'>,
  { exclusive }: Pick<LockRequest, 'exclusive'>,
): Promise<HeldLock | undefined> {
  try {
    return await acquireLock({ ...request, exclusive })
  } catch (error) {
    if (!isAppError(error, 'storage-full')) throw error
    if (!request.withoutLock) throw tooFull(error)
    request.onFinding(WITHOUT_LOCK)
    return undefined
  }
}

const signalOf = (signal: AbortSignal, lock: HeldLock | undefined): AbortSignal =>
  lock === undefined ? signal : AbortSignal.any([signal, lock.lost])

function tooFull(cause: AppError): AppError {
  return new AppError('storage-full', `the repository cannot be locked: ${cause.message}`, {
    hint: 'Free some space there, or give it more. Where nothing else uses the repository, add --without-lock: then what nothing needs is deleted all the same.',
    context: cause.context,
    cause,
  })
}

const WITHOUT_LOCK: Finding = {
  severity: 'warning',
  code: 'not-locked',
  subject: 'lock',
  message: 'the storage is full and takes no lock file: nothing keeps others from using the repository meanwhile',
}
