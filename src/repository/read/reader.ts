import type { RepositoryContext } from '../files/repository-files.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { Workers } from '../workers/protocol.ts'

/** What reading needs of an opened repository. */
export interface Reader extends Pick<RepositoryContext, 'storage' | 'cipher' | 'zstd'> {
  readonly index: Pick<BlobIndex, 'find' | 'findAll'>
  readonly workers: Workers
}
