/**
 * The log of a source: files that are written one after the other, from which any moment between two backups can be
 * recovered. What a name, an order or a position means is known to the source's kind alone.
 */

/** One log in a repository. Logs never mix, whatever their sources are called. */
export interface LogId {
  /** The kind of its source. */
  readonly kind: string
  /** As the source calls it: the same as long as its files follow one another. */
  readonly id: string
}

/** One file of a log. */
export interface LogFileName {
  readonly name: string
  /** It is still being written: one that goes on where it ended may follow, and the finished one takes its place. */
  readonly unfinished: boolean
}

/** A file with what its name says. */
export interface LogFile extends LogFileName {
  /**
   * Sorts the files of a log as they were written. Undefined: no stretch of the log, but something that is said about it,
   * and that is always kept.
   */
  readonly order: string | undefined
}

/** A backup from which the log can be replayed. Positions are as the source writes them. */
export interface LogBase {
  readonly snapshot: string
  /** Id of the log. */
  readonly log: string
  /** 1 in a log that never forks. */
  readonly branch: number
  /** Where the log begins that belongs to the backup. */
  readonly start: string
  /** Where the backup ended: earlier moments cannot be recovered from it. */
  readonly end: string
  readonly endedAt: Date
  /** What else the source needs to know of it. */
  readonly properties: Readonly<Record<string, unknown>>
}

/** A stretch of time in which every moment can be recovered. */
export interface LogWindow {
  readonly branch: number
  /** The backups that it begins with, oldest first. */
  readonly bases: readonly LogBase[]
  readonly from: Date
  readonly fromPosition: string
  readonly toPosition: string
  /** Name of the last file that is there without a gap; undefined where none follows the backups. */
  readonly lastFile: string | undefined
}

/** Files that are missing between the first and the last of a branch. */
export interface LogGap {
  readonly branch: number
  readonly firstMissing: string
  readonly lastMissing: string
  readonly count: number
}

/** What is there of a branch, gaps not counted. */
export interface LogRange {
  readonly branch: number
  readonly first: string
  readonly last: string
  readonly files: number
}

/** A file is called by its name, and one name has an unfinished and a finished one. */
export function describeLogFile({ name, unfinished }: LogFileName): string {
  return unfinished ? `${name} (unfinished)` : name
}
