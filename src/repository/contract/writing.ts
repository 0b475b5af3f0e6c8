import type { Id, TreeNode } from '../../model/node.ts'
import type { BlobType } from './blob.ts'
import type { Snapshot } from './snapshot.ts'

export interface WritingOptions {
  readonly signal: AbortSignal
}

/** One backup under way. Everything stored becomes durable with `finish`; nothing is visible before `saveSnapshot`. */
export interface Writing {
  /** Cuts, hashes, stores what is new. One content at a time is read; call it for several at once to overlap them. */
  writeContent(content: ReadableContent, options?: WriteContentOptions): Promise<WrittenContent>
  /** Long content is about to come: what takes time to start is started now. */
  warmUp(): void
  /** Are all these blobs in the index? Then a node may name them without reading anything. */
  hasContent(content: readonly Id[]): Promise<boolean>
  /** A blob is damaged: from now on it and all else in its packs counts as missing, and is stored anew when it comes. */
  distrust(type: BlobType, id: Id): void
  /** Stores a tree; nodes in any order. */
  saveTree(nodes: readonly TreeNode[]): Promise<Id>
  /** Stores a tree that may have more nodes than memory should hold. */
  startTree(): TreeWriting
  /**
   * Flushes packs, then the index; then the snapshot, in this order. Ends the writing. A function is called when packs
   * and index are stored: only then `progress` holds what all of it takes.
   */
  saveSnapshot(snapshot: NewSnapshot | (() => NewSnapshot)): Promise<Snapshot>
  /** Stops and releases the lock; stored packs stay for the next prune. Safe after `saveSnapshot` and twice. */
  abort(): Promise<void>
  readonly progress: WritingProgress
}

/** One tree under way. One call at a time. */
export interface TreeWriting {
  /** Nodes in any order; only those that come in byte order of their names need not be held. */
  add(nodes: readonly TreeNode[]): Promise<void>
  finish(): Promise<Id>
}

/** The same shape as a source's `Content`. */
export interface ReadableContent {
  readonly sizeBytes: number | undefined
  readonly cut: { readonly kind: 'fixed'; readonly blockBytes: number } | { readonly kind: 'content' }
  read(into: Uint8Array): Promise<number>
  /** Where the next bytes lie in a file just as they are; undefined: `read` them. Goes on as `read` does. */
  skip?(lengthBytes: number): FilePiece | undefined
  /** Of files with holes; undefined: nothing is known of zeros, all of it is read. */
  readonly zeros?: ZeroRun | undefined
}

/** Zeros that nobody needs to read: what comes next of them, and how to go on behind some. */
export interface ZeroRun {
  aheadBytes(): number
  pass(lengthBytes: number): void
}

/** Bytes of an open file; zeros from where the file ends. */
export interface FilePiece {
  readonly descriptor: number
  readonly position: number
  /** As asked, less only at the end of the content. */
  readonly lengthBytes: number
}

export interface WriteContentOptions {
  /** It will be read with `loadContent`. */
  readonly isKept?: boolean
  /** More than restores read it: it never goes where it would have to be thawed first. */
  readonly isReadOften?: boolean
  /** Compute the whole content's SHA-256 too (one core). */
  readonly sha256?: boolean
  /**
   * What this content was in an earlier snapshot: blocks that are provably the same are neither hashed nor looked at
   * again. Never given where everything has to be read and hashed anew.
   */
  readonly before?: readonly Id[] | undefined
}

export interface WrittenContent {
  readonly content: readonly Id[]
  readonly sizeBytes: number
  readonly sha256?: string
}

/** Live counters; `bytesStored` is compressed and sealed, packs only. */
export interface WritingProgress {
  readonly bytesRead: number
  readonly bytesNew: number
  readonly bytesStored: number
  readonly dataBlobsNew: number
  readonly treeBlobsNew: number
}

export type NewSnapshot = Omit<Snapshot, 'id'>
