import type { Id, TreeNode } from '../../model/node.ts'
import type { BlobSize, BlobType } from './blob.ts'
import type { FileToWrite, RestoreOptions, WrittenBytes } from './restoring.ts'

/** What gives back what snapshots hold: a repository, or one that others help. */
export interface Contents {
  /**
   * A tree's nodes, in byte order of their names. `damaged` when missing or wrong. Those of a large folder are made anew by
   * each walk over them: keep none that are not needed.
   */
  loadTree(id: Id): Promise<Iterable<TreeNode>>
  /** Blobs in order, fetched ahead, each checked against its id. */
  readContent(content: readonly Id[], signal?: AbortSignal): AsyncIterable<Buffer>
  /** As `readContent`, all of it: of what is small, and read again with each backup. Kept on this machine where that saves calls. */
  loadContent(content: readonly Id[], signal?: AbortSignal): Promise<Buffer>
  /** As `readContent`, but gives only the plaintext's bytes, some at a time: cheaper where nobody needs the content. */
  checkContent(content: readonly Id[], signal?: AbortSignal): AsyncIterable<number>
  /** Writes many files in parallel. See `FileToWrite`. */
  restoreFiles(files: Iterable<FileToWrite>, options: RestoreOptions): Promise<WrittenBytes>
  /** Raw plaintext of one blob. */
  loadBlob(type: BlobType, id: Id): Promise<Buffer>
  /** What blobs take, by the index, in the order of the ids; undefined for one that is in no index. */
  findBlobSizes(type: BlobType, ids: readonly Id[]): Promise<ReadonlyArray<BlobSize | undefined>>
}

/** A repository that may have what another one cannot give back. */
export interface Helper {
  /** Opens the repository; called when the first thing is lost. */
  readonly open: () => Promise<Contents>
  /** Told of what is taken from it. */
  readonly onTaken: (blobs: number, plainBytes: number) => void
}
