import { isAppError } from '../../base/errors.ts'
import { lifeOf } from '../../base/process-life.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { RepositoryFiles } from '../files/repository-files.ts'
import { shortId } from '../format/file-keys.ts'
import { type LockFile, parseLockFile } from '../format/lock-file.ts'
import { isOlderThan } from './lock-age.ts'
import { type LocksContext, REFRESH_MS, STALE_MS } from './locks-context.ts'

export interface FoundLock {
  readonly id: Id
  /** Undefined when the file cannot be read. */
  readonly lock: LockFile | undefined
  /** Its owner is proven gone, or was silent for too long: it protects nothing. */
  readonly stale: boolean
}

/** Every lock file there is now, our own included. */
export async function findLocks(context: LocksContext, except: ReadonlySet<Id>): Promise<FoundLock[]> {
  const { files } = context
  const found: FoundLock[] = []
  for (const { id, sizeBytes } of await files.list('lock')) {
    if (except.has(id)) continue
    const lock = sizeBytes === 0 ? undefined : await loadLock(files, id)
    if (lock === 'gone') continue
    // restic makes nothing of an empty file: what was left of an upload that was cut off.
    found.push({ id, lock, stale: sizeBytes === 0 || (await isStale(context, id, lock)) })
  }
  return found
}

/** Removes locks that protect nothing, so that a killed process never needs a human. One that cannot be removed stays, and still protects nothing. */
export async function removeStale(context: LocksContext, locks: readonly FoundLock[]): Promise<void> {
  for (const { id, lock } of locks) {
    if (!(await isRemoved(context, id))) return
    context.onFinding({
      severity: 'info',
      code: 'stale-lock-removed',
      subject: `lock ${shortId(id)}`,
      message: lock ? `removed a lock of ${describeOwner(lock)} that is gone` : 'removed an unreadable lock file',
    })
  }
}

/** Keys that may only add, and locks of objects, must not stop a backup. */
async function isRemoved({ files }: LocksContext, id: Id): Promise<boolean> {
  try {
    await files.remove('lock', id)
    return true
  } catch (error) {
    if (!isAppError(error, 'storage-denied') && !isAppError(error, 'storage-locked')) throw error
    return false
  }
}

export function lockNotRemoved(id: Id): Finding {
  return {
    severity: 'warning',
    code: 'lock-not-removed',
    subject: `lock ${shortId(id)}`,
    message: 'the lock file could not be removed; it counts for nothing once this process has ended',
    hint: 'Let the key delete in locks/: nothing of the backups is there.',
  }
}

export function describeOwner(lock: LockFile): string {
  return `process ${lock.pid} on ${lock.hostname || 'an unknown host'}${lock.username ? ` (${lock.username})` : ''}`
}

async function isStale(context: LocksContext, id: Id, lock: LockFile | undefined): Promise<boolean> {
  // A living owner replaces its lock file every five minutes: an unreadable one that is older belongs to nobody.
  // Younger, it may be somebody's whose write is still under way.
  if (lock === undefined) return await isOlderThan(context, id, undefined, REFRESH_MS + 60_000)
  const life = lifeOf({ hostname: lock.hostname, pid: lock.pid, start: lock.processStart })
  if (life === 'gone') return true
  // Asleep with its machine, or stopped, it goes on with its work later. Of what this process could not remove, it knows.
  if (life === 'living' && lock.pid !== process.pid) return false
  return await isOlderThan(context, id, lock, STALE_MS)
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
