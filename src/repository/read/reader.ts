import type { NotedDamage } from '../check/noted-damage.ts'
import type { VerifyJob, VerifyOutcome } from '../check/verify-job.ts'
import type { RepositoryContext } from '../files/repository-files.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { MarkFolder } from '../marks/mark-folder.ts'
import type { CompareJob } from '../restore/compare-job.ts'
import type { WriteJob, WriteOutcome } from '../restore/write-job.ts'
import type { OpenJob, OpenOutcome } from './open-job.ts'
import type { OtherReaders } from './others.ts'
import type { SiftJob, SiftOutcome } from './sift-job.ts'

/** What reading needs of an opened repository. */
export interface Reader extends Pick<RepositoryContext, 'storage' | 'cipher' | 'zstd'> {
  readonly index: Pick<BlobIndex, 'find' | 'findAll'>
  readonly workers: ReadingWorkers
  /** Gets what is found to be bad on the way. */
  readonly noted?: NotedDamage
  /** Undefined where nothing is kept on this machine. */
  readonly marks?: Pick<MarkFolder, 'load'> | undefined
  /** Asked for what this one cannot give back. */
  readonly others?: OtherReaders | undefined
}

/** Jobs for worker threads. A job's `bytes` are handed over: the caller must not use them any more. */
export interface ReadingWorkers {
  readonly size: number
  /** Starts the threads before the first job. */
  warmUp(): void
  open(job: OpenJob): Promise<OpenOutcome>
  write(job: WriteJob): Promise<WriteOutcome>
  compare(job: CompareJob): Promise<Uint8Array>
  verify(job: VerifyJob): Promise<VerifyOutcome>
  sift(job: SiftJob): Promise<SiftOutcome>
}
