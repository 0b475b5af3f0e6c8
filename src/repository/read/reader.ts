import type { RepositoryContext } from '../files/repository-files.ts'
import type { PackedBlob } from '../format/pack-header.ts'
import { SEAL_BYTES } from '../format/pack-header.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { CompareJob } from '../restore/compare-job.ts'
import type { WriteJob, WriteOutcome } from '../restore/write-job.ts'
import type { OpenJob, OpenOutcome } from './open-job.ts'

/** What reading needs of an opened repository. */
export interface Reader extends Pick<RepositoryContext, 'storage' | 'cipher' | 'zstd'> {
  readonly index: Pick<BlobIndex, 'find' | 'findAll'>
  readonly workers: ReadingWorkers
}

export interface ReadingWorkers {
  readonly size: number
  open(job: OpenJob): Promise<OpenOutcome>
  write(job: WriteJob): Promise<WriteOutcome>
  compare(job: CompareJob): Promise<Uint8Array>
}

export function plaintextLength(blob: Pick<PackedBlob, 'length' | 'uncompressedLength'>): number {
  return blob.uncompressedLength ?? blob.length - SEAL_BYTES
}
