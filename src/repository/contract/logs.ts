import type { LogFileName, LogId } from '../../model/log.ts'

/** Logs of sources in a repository, beside restic's folders, which never look here. */
export interface LogStore {
  readonly location: string
  /**
   * Stores a file; durable when this resolves. The same content again is fine (`same`); another one under the same name
   * throws `storage-exists` and changes nothing. An unfinished file may be followed by one that goes on where it ended,
   * and goes when the finished one is stored. `usage` for a name that cannot be kept.
   */
  save(content: LogContent, signal?: AbortSignal): Promise<'stored' | 'same'>
  /**
   * A file's content, or undefined when it is not there. `damaged` when it is not what was stored.
   * @param into memory that threads share: where it is long enough, the content is put there
   */
  find(
    log: LogId,
    file: LogFileName,
    signal?: AbortSignal,
    into?: Buffer,
  ): Promise<{ readonly header: LogHeader; readonly bytes: Buffer } | undefined>
  findHeader(log: LogId, file: LogFileName, signal?: AbortSignal): Promise<LogHeader | undefined>
  /** All files of a log, in no order. Objects that are none of ours are passed over. */
  list(log: LogId, signal?: AbortSignal): AsyncIterable<StoredLogFile>
  /** All that there are. */
  listLogs(signal?: AbortSignal): Promise<LogId[]>
  remove(log: LogId, file: LogFileName, signal?: AbortSignal): Promise<void>
}

export interface LogContent extends LogFileName {
  readonly log: LogId
  readonly bytes: Uint8Array
  /** When the source last wrote the file: nothing in it is younger. */
  readonly writtenAt: Date
}

export interface LogHeader extends LogFileName {
  readonly log: LogId
  readonly sizeBytes: number
  readonly sha256: string
  /** UTC, ISO 8601. */
  readonly writtenAt: string
}

export interface StoredLogFile extends LogFileName {
  /** Compressed and sealed. */
  readonly storedBytes: number
}
