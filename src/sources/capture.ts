import type { Finding } from '../model/finding.ts'
import type { Incomplete } from '../model/incomplete.ts'
import type { BackupType, Manifest, ManifestDatabase } from '../model/manifest.ts'
import type { NodeMeta, TreeNode } from '../model/node.ts'
import type { SourceContext } from './context.ts'

export interface CaptureRequest extends SourceContext {
  readonly type: BackupType
  /** The snapshot to be relative to; undefined when there is none, or `type` reads everything anew. */
  readonly parent: ParentSnapshot | undefined
  /** Absolute paths that must not be captured, with all below them: the repositories and our own state. */
  readonly excludePaths: readonly string[]
  /**
   * Of databases: these tables at least, as `DatabaseSelection.tables` names them, whatever the options leave out. A source
   * for which less is cheaper leaves out all others.
   */
  readonly tables?: readonly string[] | undefined
}

/** What a capture may ask of the snapshot before it. Paths are relative to the source's folder. */
export interface ParentSnapshot {
  readonly id: string
  readonly manifest: Manifest
  findNode(path: string): Promise<TreeNode | undefined>
  /** A file's bytes from start to end. */
  read(node: TreeNode): AsyncIterable<Buffer>
}

export interface Capture {
  /**
   * Every entry once, directories before what is in them, depth first (all of a directory's entries follow it before
   * any entry outside of it). Can be iterated once. The root itself is the entry with path `''`, if given.
   */
  entries(): AsyncIterable<CaptureEntry>
  /** What the manifest needs. Called once, after the last entry was read. */
  finish(): Promise<CaptureSummary>
  /** Ends transactions, closes files. Safe to call twice. */
  close(): Promise<void>
}

export interface CaptureEntry {
  /** '/'-separated, no leading '/'. */
  readonly path: string
  /** May be fresher once the content was opened: what goes into the snapshot is read after the content. */
  readonly meta: NodeMeta
  /**
   * Files only. Called at most once, and not at all when `unchanged` holds and the parent's blobs are all there.
   * `open` and `Content.read` throw `entry-lost` when this one entry can't be captured while the rest can: the adapter
   * has then recorded the finding, and the entry is left out of the snapshot.
   */
  readonly open?: (() => Promise<Content>) | undefined
  /** Later captures read it back: it must not lie where it has to be thawed first. */
  readonly isReadOften?: boolean | undefined
  /** The adapter's word that the content equals the parent's node at this path. */
  readonly unchanged?: boolean | undefined
  /**
   * Files only. Called once when nothing of this entry will be read any more: it was read, taken over from the parent,
   * or lost. For sources that must end something when the last file is read, before they can give their last entries.
   */
  readonly settled?: (() => void) | undefined
}

/** A file's bytes, read once from start to end. */
export interface Content {
  /** Known size, or undefined for a stream. Fewer or more bytes than told is not an error: what was read counts. */
  readonly sizeBytes: number | undefined
  readonly cut: Cut
  /** Fills `into` from its start as far as there is data; returns the bytes written, less than asked only at the end. */
  read(into: Uint8Array): Promise<number>
  /**
   * Instead of `read`, where the next bytes lie in a file just as they are: whoever wants them reads them there, as zeros
   * from where the file ends, before `close`. Goes on as `read` does. Undefined: these bytes, or the end, come by `read`.
   */
  skip?(lengthBytes: number): FilePiece | undefined
  /** Of files with holes; undefined: nothing is known of zeros, all of it is read. */
  readonly zeros?: ZeroRun | undefined
  close(): Promise<void>
}

/** Zeros that nobody needs to read: what comes next of them, and how to go on behind some. */
export interface ZeroRun {
  aheadBytes(): number
  pass(lengthBytes: number): void
}

export interface FilePiece {
  readonly descriptor: number
  readonly position: number
  /** As asked, less only at the end of the content. */
  readonly lengthBytes: number
}

/**
 * Where content is cut into blobs. `fixed`: at multiples of `blockBytes` (a power of two, 512 B to 8 MiB), for pages
 * changed in place. `content`: where the content says, for everything else.
 */
export type Cut = { readonly kind: 'fixed'; readonly blockBytes: number } | { readonly kind: 'content' }

export interface CaptureSummary {
  readonly capturedAt: Date
  readonly engineVersion?: string
  readonly database?: ManifestDatabase
  readonly findings: readonly Finding[]
  /** False when something is missing from the capture or changed while it was read: the run ends with exit code 3. */
  readonly complete: boolean
  /** What is missing or changed, where the adapter knows more than its findings say. */
  readonly incomplete?: Incomplete | undefined
}
