import type { Clock } from '../../base/clock.ts'
import { isAppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { RepositoryFiles } from '../files/repository-files.ts'
import { shortId } from '../format/file-keys.ts'
import { type LockFile, parseLockFile } from '../format/lock-file.ts'
import { currentHost, isOwnerGone } from './owner.ts'

/** restic's limits: a lock is written anew every five minutes, and counts for nothing after thirty. */
export const REFRESH_MS = 5 * 60_000
export const STALE_MS = 30 * 60_000

export interface FoundLock {
  readonly id: Id
  /** Undefined when the file cannot be read. */
  readonly lock: LockFile | undefined
  /** Its owner is gone, or it is too old: it protects nothing. */
  readonly stale: boolean
}

export interface LocksContext {
  readonly files: RepositoryFiles
  readonly clock: Clock
  readonly onFinding: (finding: Finding) => void
}

/** Every lock file there is now, our own included. */
export async function findLocks({ files, clock }: LocksContext, except: ReadonlySet<Id>): Promise<FoundLock[]> {
  const found: FoundLock[] = []
  for (const { id, sizeBytes } of await files.list('lock')) {
    if (except.has(id)) continue
    const lock = sizeBytes === 0 ? undefined : await loadLock(files, id)
    if (lock === 'gone') continue
    const stale = lock ? isStale(lock, clock.now()) : sizeBytes === 0 || (await isOldFile(files, id, clock.now()))
    found.push({ id, lock, stale })
  }
  return found
}

/** Removes locks that protect nothing, so that a killed process never needs a human. */
export async function removeStale(context: LocksContext, locks: readonly FoundLock[]): Promise<void> {
  for (const { id, lock } of locks) {
    await context.files.remove('lock', id)
    context.onFinding({
      severity: 'info',
      code: 'stale-lock-removed',
      subject: `lock ${shortId(id)}`,
      message: lock ? `removed a lock of ${describeOwner(lock)} that is gone` : 'removed an unreadable lock file',
    })
  }
}

export function describeOwner(lock: LockFile): string {
  return `process ${lock.pid} on ${lock.hostname || 'an unknown host'}${lock.username ? ` (${lock.username})` : ''}`
}

function isStale(lock: LockFile, now: Date): boolean {
  return now.getTime() - lock.time.getTime() > STALE_MS || isOwnerGone(lock, currentHost())
}

async function loadLock(files: RepositoryFiles, id: Id): Promise<LockFile | 'gone' | undefined> {
  try {
    return parseLockFile(await files.load('lock', id), `lock ${shortId(id)}`)
  } catch (error) {
    if (isAppError(error, 'storage-not-found')) return 'gone'
    if (isAppError(error, 'damaged')) return undefined
    throw error
  }
}

// A living owner replaces its lock file every five minutes: an unreadable one that is older belongs to nobody. Younger,
// or of unknown age, it may be somebody's whose write is still under way.
async function isOldFile(files: RepositoryFiles, id: Id, now: Date): Promise<boolean> {
  const modified = await files.modifiedAt('lock', id)
  return modified !== undefined && now.getTime() - modified.getTime() > REFRESH_MS + 60_000
}
