import type { Manifest } from '../model/manifest.ts'
import type { TreeNode } from '../model/node.ts'

/** Reading one snapshot's tree of this source. Paths are relative to the source's folder. */
export interface SnapshotReader {
  readonly id: string
  readonly manifest: Manifest | undefined
  /** The source's folder itself, for its mode, owner and times. */
  readonly root?: TreeNode | undefined
  /** Every entry below the source's folder, directories before what is in them, depth first. */
  entries(): AsyncIterable<SnapshotEntry>
  /**
   * Writes the contents of many files at once, in parallel, every blob checked against its hash. The files exist and
   * have their final size already or are created; the caller sets owner, mode, times and fsyncs.
   */
  restoreFiles(files: Iterable<FileToRestore>): Promise<RestoredBytes>
  /** A file's bytes from start to end. */
  read(node: TreeNode): AsyncIterable<Buffer>
}

export interface SnapshotEntry {
  readonly path: string
  readonly node: TreeNode
}

export interface FileToRestore {
  readonly node: TreeNode
  /** Absolute, encoded with `encodeName` when opened. */
  readonly path: string
  /** Compare what is there with what is wanted, block by block, and write only what differs. */
  readonly delta: boolean
}

export interface RestoredBytes {
  /** Sum of the sizes of the files. */
  readonly totalBytes: number
  /** Bytes really written to the targets. */
  readonly writtenBytes: number
}
