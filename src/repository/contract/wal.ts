import type { WalFile } from '../../model/wal.ts'

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
