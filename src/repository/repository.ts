import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { Secret } from '../base/secret.ts'
import type { Finding } from '../model/finding.ts'
import type { Id, TreeNode } from '../model/node.ts'
import type { WalFile } from '../model/wal.ts'

/**
 * An opened repository in restic's format, over any byte store. Several processes may use one repository at once.
 * Nothing here holds an exclusive lock but `prune` and `removeSnapshots`.
 *
 * @see https://github.com/restic/restic/blob/master/doc/design.rst
 */
export interface Repository {
  /** From the config file: 64 hex digits. */
  readonly id: Id
  readonly version: 1 | 2
  /** The storage's location, for people. */
  readonly location: string

  /** Log files of PostgreSQL clusters, kept beside the snapshots. */
  readonly wal: WalStore

  // ---- snapshots

  /** All readable snapshots, oldest first; unreadable ones are findings. */
  listSnapshots(): Promise<SnapshotList>
  /** By full id or unique prefix of at least 4 digits. `snapshot-not-found`, `ambiguous-id`, `damaged`. */
  getSnapshot(idOrPrefix: string): Promise<Snapshot>
  /**
   * Deletes snapshot files (only those; `prune` frees the space), under the exclusive lock. A function chooses among those
   * that are there then: what was listed before the lock was held may be gone by now, and with it what was to stay.
   */
  removeSnapshots(which: readonly Id[] | ChooseSnapshots, options?: LockWaitOptions): Promise<void>

  // ---- reading

  /**
   * A tree's nodes, in byte order of their names. `damaged` when missing or wrong. Those of a large folder are made anew by
   * each walk over them: keep none that are not needed.
   */
  loadTree(id: Id): Promise<Iterable<TreeNode>>
  /** Blobs in order, fetched ahead, each checked against its id. */
  readContent(content: readonly Id[], signal?: AbortSignal): AsyncIterable<Buffer>
  /** As `readContent`, but gives only the plaintext's bytes, some at a time: cheaper where nobody needs the content. */
  checkContent(content: readonly Id[], signal?: AbortSignal): AsyncIterable<number>
  /** Writes many files in parallel. See `FileToWrite`. */
  restoreFiles(files: Iterable<FileToWrite>, options: RestoreOptions): Promise<WrittenBytes>
  /** Raw plaintext of one blob, or of one repository file (`config`, `snapshot`, `index`, `key`, `lock`) as JSON text. */
  loadBlob(type: BlobType, id: Id): Promise<Buffer>
  loadFile(type: FileType, id: Id): Promise<Buffer>
  /** What blobs take, by the index, in the order of the ids; undefined for one that is in no index. */
  findBlobSizes(type: BlobType, ids: readonly Id[]): Promise<ReadonlyArray<BlobSize | undefined>>

  // ---- writing

  /** Starts adding data. Holds a shared, refreshed lock until `finish` or `abort`. */
  startWriting(options: WritingOptions): Promise<Writing>

  /**
   * Copies snapshots of another repository, with what they need and is not here yet. Those that are here already, copied by
   * this or by restic's `copy`, are passed over. Holds shared locks on both. `usage` when it is this repository itself.
   */
  copyFrom(source: Repository, snapshots: readonly Snapshot[], options: CopyOptions): Promise<CopyReport>

  // ---- maintenance

  check(options: CheckOptions): Promise<CheckReport>
  prune(options: PruneOptions): Promise<PruneReport>
  statistics(): Promise<RepositoryStatistics>

  // ---- keys and locks

  listKeys(): Promise<KeyInfo[]>
  addKey(password: Secret, label?: KeyLabel): Promise<KeyInfo>
  /** `last-key` when it is the only one; the key in use is refused too (`usage`). */
  removeKey(idOrPrefix: string): Promise<void>
  /** Adds a key for the new password, makes it the one in use, then removes the one that this was opened with. */
  changePassword(password: Secret): Promise<KeyInfo>
  listLocks(): Promise<LockInfo[]>
  /** The time that the storage stamps files with; undefined where it tells none or nothing can be written there. */
  readStorageClock(): Promise<Date | undefined>
  /** Removes stale locks, or with `all` every lock. Returns the removed. */
  unlock(options: { readonly all: boolean }): Promise<LockInfo[]>

  close(): Promise<void>
}

export interface BlobSize {
  /** Sealed, and compressed where it is. */
  readonly storedBytes: number
  readonly plainBytes: number
}

export type BlobType = 'data' | 'tree'
export type FileType = 'config' | 'key' | 'index' | 'snapshot' | 'lock' | 'pack'

export interface RepositoryOptions {
  readonly password: Secret
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Folder for the local index cache, one subfolder a repository; undefined: no cache, everything in memory. */
  readonly cacheDir: string | undefined
  /** Worker threads; default one a core. */
  readonly workers?: number | undefined
  /** How long to wait for a conflicting lock before `repository-locked`; default 0. */
  readonly lockWaitMs?: number | undefined
  /** Called when a stale lock was removed, a damaged cache rebuilt, ... */
  readonly onFinding?: ((finding: Finding) => void) | undefined
}

export interface CreateOptions extends RepositoryOptions {
  readonly version?: 1 | 2 | undefined
}

// ---- snapshots

export interface Snapshot {
  readonly id: Id
  readonly time: Date
  readonly tree: Id
  readonly paths: readonly string[]
  readonly hostname: string
  readonly username: string
  readonly uid?: number
  readonly gid?: number
  readonly tags: readonly string[]
  readonly excludes?: readonly string[]
  readonly parent?: Id
  readonly original?: Id
  readonly programVersion?: string
  readonly summary?: SnapshotSummary
}

/** restic's snapshot summary (since its 0.17), so that both tools show the same figures. */
export interface SnapshotSummary {
  readonly backupStart: Date
  readonly backupEnd: Date
  readonly filesNew: number
  readonly filesChanged: number
  readonly filesUnmodified: number
  readonly dirsNew: number
  readonly dirsChanged: number
  readonly dirsUnmodified: number
  readonly dataBlobs: number
  readonly treeBlobs: number
  /** Plaintext bytes of blobs that were new. */
  readonly dataAdded: number
  /** What they take in the repository: compressed, sealed. */
  readonly dataAddedPacked: number
  readonly totalFilesProcessed: number
  readonly totalBytesProcessed: number
}

export interface SnapshotList {
  readonly snapshots: readonly Snapshot[]
  readonly findings: readonly Finding[]
}

// ---- writing

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

// ---- restoring

export interface FileToWrite {
  readonly content: readonly Id[]
  readonly sizeBytes: number
  /** Absolute; names encoded as in `base/bytes.ts`. Created when absent (0600), else resized to `sizeBytes`. */
  readonly path: string
  /** Hash what is there block by block and write only what differs. */
  readonly delta: boolean
}

export interface RestoreOptions {
  readonly signal: AbortSignal
  readonly onProgress?: ((written: WrittenBytes) => void) | undefined
}

export interface WrittenBytes {
  readonly totalBytes: number
  readonly writtenBytes: number
}

// ---- maintenance

/** The ids of those to delete. */
export type ChooseSnapshots = (snapshots: readonly Snapshot[]) => readonly Id[]

export interface LockWaitOptions {
  readonly lockWaitMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface CheckOptions {
  /** Part of the packs to read and verify byte by byte, 0 to 1; 0 checks structure only. */
  readonly readData: number
  readonly signal: AbortSignal
  readonly onProgress?: ((progress: StepProgress) => void) | undefined
}

export interface CheckReport {
  /** Errors name the damaged file and, in `affects`, the snapshots that need it. */
  readonly findings: readonly Finding[]
  readonly snapshots: number
  readonly packs: number
  readonly blobs: number
  readonly packsRead: number
  readonly bytesRead: number
}

export interface PruneOptions extends LockWaitOptions {
  readonly dryRun: boolean
  /** Only with `dryRun`: plan as if these snapshots were gone already. */
  readonly withoutSnapshots?: readonly Id[] | undefined
  /** Unused bytes to tolerate, as a part of all bytes; default 0.05. */
  readonly maxUnused?: number | undefined
  readonly signal: AbortSignal
  readonly onProgress?: ((progress: StepProgress) => void) | undefined
}

export interface PruneReport {
  readonly packsKept: number
  readonly packsRemoved: number
  readonly packsRepacked: number
  readonly bytesBefore: number
  readonly bytesAfter: number
  readonly bytesUnusedLeft: number
  readonly findings: readonly Finding[]
}

export interface CopyOptions {
  readonly signal: AbortSignal
  readonly onProgress?: ((progress: StepProgress) => void) | undefined
}

export interface CopyReport {
  /** Oldest first. `from` is the id in the other repository. */
  readonly copied: ReadonlyArray<{ readonly from: Id; readonly snapshot: Snapshot }>
  /** Were here already. */
  readonly present: readonly Id[]
  /** Need what is damaged there, as the findings say; nothing of them is visible here. */
  readonly leftOut: readonly Id[]
  readonly blobs: number
  readonly bytesRead: number
  /** In new packs. */
  readonly bytesStored: number
  readonly findings: readonly Finding[]
}

export interface StepProgress {
  readonly step: string
  readonly done: number
  readonly total: number | undefined
  readonly unit: 'bytes' | 'items'
}

export interface RepositoryStatistics {
  readonly snapshots: number
  readonly packs: number
  readonly blobs: number
  /** Bytes of all packs by the index. */
  readonly storedBytes: number
  /** Plaintext bytes of all blobs. */
  readonly uncompressedBytes: number
}

// ---- keys and locks

export interface KeyLabel {
  readonly hostname: string
  readonly username: string
}

export interface KeyInfo extends KeyLabel {
  readonly id: Id
  readonly created: Date
  /** The key this repository was opened with. */
  readonly current: boolean
}

export interface LockInfo {
  readonly id: Id
  readonly time: Date
  readonly exclusive: boolean
  readonly hostname: string
  readonly username: string
  readonly pid: number
  readonly stale: boolean
}

// ---- PostgreSQL's log

/**
 * PostgreSQL's log files in a repository, beside restic's folders, which never look here. Clusters can't mix: each has a
 * folder of its own.
 */
export interface WalStore {
  readonly location: string
  /**
   * Stores a file; durable when this resolves. The same content again is fine (`same`); another one under the same name
   * throws `storage-exists` and changes nothing. A `.partial` may be followed by one that goes on where it ended.
   */
  save(content: WalContent, signal?: AbortSignal): Promise<'stored' | 'same'>
  /**
   * A file's content, or undefined when it is not there. `damaged` when it is not what was stored.
   * @param into memory that threads share: where it is long enough, the content is put there
   */
  find(
    systemIdentifier: string,
    name: string,
    signal?: AbortSignal,
    into?: Buffer,
  ): Promise<{ readonly header: WalHeader; readonly bytes: Buffer } | undefined>
  findHeader(systemIdentifier: string, name: string, signal?: AbortSignal): Promise<WalHeader | undefined>
  /** All files of a cluster, in no order. Objects that are none of ours are passed over. */
  list(systemIdentifier: string, signal?: AbortSignal): AsyncIterable<StoredWal>
  /** System identifiers of the clusters that have log files here. */
  listClusters(signal?: AbortSignal): Promise<string[]>
  remove(systemIdentifier: string, name: string, signal?: AbortSignal): Promise<void>
}

export interface WalContent {
  /** PostgreSQL's. */
  readonly name: string
  /** Decimal. */
  readonly systemIdentifier: string
  readonly bytes: Uint8Array
  /** When the server last wrote the file: no transaction in it committed later. */
  readonly writtenAt: Date
  /** The cluster's; absent for files that are no segments. */
  readonly segmentBytes?: number | undefined
}

export interface WalHeader {
  readonly name: string
  readonly systemIdentifier: string
  readonly sizeBytes: number
  readonly sha256: string
  readonly segmentBytes?: number | undefined
  /** UTC, ISO 8601. */
  readonly writtenAt: string
}

export interface StoredWal {
  readonly file: WalFile
  /** Compressed and sealed. */
  readonly storedBytes: number
}
