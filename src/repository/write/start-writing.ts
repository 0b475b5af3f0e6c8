import type { RepositoryContext, RepositoryFiles } from '../files/repository-files.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { LockRequest } from '../lock/acquire.ts'
import { WritingLock } from '../lock/writing-lock.ts'
import type { Writing } from '../repository.ts'
import type { SnapshotStore } from '../snapshots/snapshot-store.ts'
import type { WorkerPool } from '../workers/pool.ts'
import { KnownBlobs } from './known-blobs.ts'
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
  const known = new KnownBlobs(parts.index)
  const lock = new WritingLock(parts.lock, async () => {
    await parts.index.refresh(parts.signal)
    known.recheck()
  })
  try {
    await lock.written
    await parts.index.refresh(parts.signal)
    for (const finding of parts.index.findings) parts.lock.onFinding(finding)
    return new RunningWriting(parts, lock, known)
  } catch (error) {
    await lock.release()
    throw error
  }
}
