import type { RepositoryContext, RepositoryFiles } from '../files/repository-files.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import { acquireLock, type LockRequest } from '../lock/acquire.ts'
import type { Writing } from '../repository.ts'
import type { SnapshotStore } from '../snapshots/snapshot-store.ts'
import type { WorkerPool } from '../workers/pool.ts'
import { RunningWriting } from './running-writing.ts'

export interface WritingParts {
  readonly context: RepositoryContext
  readonly files: RepositoryFiles
  readonly index: BlobIndex
  readonly snapshots: SnapshotStore
  readonly workers: WorkerPool
  readonly lock: LockRequest
  readonly signal: AbortSignal
}

/** Takes the shared lock, then brings the index up to date: what was known before may have been pruned since. */
export async function startWriting(parts: WritingParts): Promise<Writing> {
  const lock = await acquireLock(parts.lock)
  try {
    await parts.index.refresh(parts.signal)
    for (const finding of parts.index.findings) parts.lock.onFinding(finding)
    return new RunningWriting(parts, lock)
  } catch (error) {
    await lock.release()
    throw error
  }
}
