import type { Finding } from '../model/finding.ts'
import type { SourceContext } from './context.ts'

/** The log of a source, as the live source has it. */
export interface SourceLog {
  /** Where the log stands now. Throws `source-unreachable`, ... */
  inspect(context: SourceContext): Promise<LogState>
  /**
   * Receives the log into a folder, file by file, the unfinished one under a name of its own, until the signal fires.
   * Throws what ended it before; what was received stays, and the next call goes on there, for which the newest finished
   * file is left there.
   */
  receive(request: LogReceiving): Promise<void>
}

export interface LogReceiving extends SourceContext {
  /** Private and existing. */
  readonly folder: string
}

export interface LogState {
  /** Of the log. */
  readonly id: string
  readonly branch: number
  /** Of the last byte that is written. */
  readonly position: string
  /** Of a finished file. */
  readonly fileBytes: number
  /** What makes the source keep its log until we have it; undefined where nothing does. */
  readonly hold: LogHold | undefined
  /** The source's own archiving; undefined where it is off. */
  readonly archiver: LogArchiver | undefined
  /** What is wrong with them. */
  readonly findings: readonly Finding[]
}

export interface LogHold {
  readonly name: string
  readonly active: boolean
  /** In the source's word. */
  readonly status: string
  /** How much log the source keeps because of it. */
  readonly retainedBytes: number
}

export interface LogArchiver {
  readonly lastArchived: string | undefined
  readonly lastArchivedAt: Date | undefined
  readonly lastFailed: string | undefined
  readonly lastFailedAt: Date | undefined
}
