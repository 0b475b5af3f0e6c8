import type { SourceContext } from './context.ts'

/** A write-ahead log, as the live server has it. */
export interface SourceLog {
  /** Where the log stands now. Throws `source-unreachable`, ... */
  inspect(context: SourceContext): Promise<LogState>
  /**
   * Receives the log into a folder, file by file, the unfinished one as `.partial`, until the signal fires. Throws what
   * ended it before; what was received stays, and the next call goes on there.
   */
  receive(request: LogReceiving): Promise<void>
}

export interface LogReceiving extends SourceContext {
  /** Private and existing. */
  readonly folder: string
}

export interface LogState {
  readonly systemIdentifier: string
  readonly timeline: number
  /** Position of the last byte that is written, as PostgreSQL writes positions. */
  readonly lsn: string
  readonly segmentBytes: number
  /** The slot that keeps the log for us; undefined where there is none. */
  readonly slot: LogSlot | undefined
  /** The server's own archiving; undefined where it is off. */
  readonly archiver: LogArchiver | undefined
}

export interface LogSlot {
  readonly name: string
  readonly active: boolean
  /** `reserved`, `extended`, `unreserved` or `lost`. */
  readonly status: string
  /** How much log the server keeps because of it. */
  readonly retainedBytes: number
}

export interface LogArchiver {
  readonly lastArchived: string | undefined
  readonly lastArchivedAt: Date | undefined
  readonly lastFailed: string | undefined
  readonly lastFailedAt: Date | undefined
}
