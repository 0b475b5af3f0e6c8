import type { RecoveryTarget } from '../model/recovery-target.ts'
import type { LogReader } from './log-format.ts'

/** A moment that a restore goes to, along the log. */
export interface RecoveryRequest {
  readonly target: RecoveryTarget
  /** A number, `current`, or `latest` (default). */
  readonly branch?: string | undefined
  /** Stop just after the target (default) or just before it. */
  readonly inclusive?: boolean | undefined
  /** Where the log comes from; undefined: the log in the snapshot must do. */
  readonly log?: LogFetch | undefined
}

/** How files of the log are got. */
export interface LogFetch {
  /** For a source that replays the log by itself: the log as the repository has it now. */
  readonly openLog?: (() => Promise<LogReader>) | undefined
  /**
   * For a server that asks for the files: a program and its arguments, to which a file's name and where to put it are
   * added. It fails where there is none.
   */
  readonly fetchCommand: readonly string[]
  /** Files that were fetched ahead, by name: to be moved from here. */
  readonly fetchedFolder?: string | undefined
}
