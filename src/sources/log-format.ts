import type { Finding } from '../model/finding.ts'
import type { LogBase, LogFile, LogGap, LogRange, LogWindow } from '../model/log.ts'
import type { Manifest } from '../model/manifest.ts'
import type { RecoveryTarget } from '../model/recovery-target.ts'
import type { LogState } from './source-log.ts'

/**
 * How the log of a kind is written: names, their order, positions, and how a recovery goes along it. Asks no source, so
 * that a log can be read, recovered and expired where its source is gone.
 */
export interface LogFormat {
  readonly words: LogWords
  /** What a name says. Undefined: no file of such a log. */
  parseName(name: string): LogFile | undefined
  isPosition(text: string): boolean
  /** Id of the log that a server in this folder writes; undefined where it can't be told. */
  findLog(folder: string): Promise<string | undefined>
  /** Holds a file's content to its name. Undefined: it is not what the name says. `log`: the log's id, where it is written in it. */
  checkFile(file: LogFile, bytes: Buffer): { readonly log: string | undefined } | undefined
  /** Names of finished files that wait beside this one to be stored after it, oldest first. */
  listWaiting(path: string): Promise<string[]>
  /** Names of the files that a recovery will ask for after this one, which is so long. */
  listNext(name: string, sizeBytes: number, count: number): readonly string[]
  /** The backup that a manifest is of, as the beginning of a recovery; undefined where it is none. */
  findBase(manifest: Manifest): Omit<LogBase, 'snapshot'> | undefined
  /** Reads what names do not say, like where branches begin. */
  readCoverage(archive: LogReader): Promise<LogCoverage>
}

/** What people call the parts of such a log. */
export interface LogWords {
  /** What one log is of: `cluster`. */
  readonly log: string
  readonly file: string
  readonly branch: string
  /** Where a name is none: what to write. A sentence. */
  readonly nameHint: string
  /** Where it can't be told which log is meant: what to do. A sentence. */
  readonly logHint: string
  /** Where a position is none. A sentence. */
  readonly positionHint: string
}

/** One log, as a repository has it. */
export interface LogReader {
  readonly id: string
  /** Each name once; in no order. */
  readonly files: readonly LogFile[]
  /**
   * The finished file, or the unfinished one as far as it was received. `damaged`, ...
   * @param into memory that threads share: where it is long enough, the content is put there
   */
  find(name: string, into?: Buffer): Promise<{ readonly bytes: Buffer } | undefined>
  /** The same without the content. `writtenAt`: nothing in the file is younger. */
  findHeader(name: string): Promise<{ readonly sizeBytes: number; readonly writtenAt: Date } | undefined>
}

/** What a log in a repository covers. */
export interface LogCoverage {
  readonly ranges: readonly LogRange[]
  readonly gaps: readonly LogGap[]
  /** Oldest first. */
  listWindows(bases: readonly LogBase[]): readonly LogWindow[]
  /** Names of the files that none of these backups needs. Empty where there is no backup. */
  listUnneeded(bases: readonly LogBase[]): readonly string[]
  /** Throws `target-invalid` with a better reason where there is one. */
  choose(wish: BaseWish): Promise<BaseChoice>
  /** How far what is stored is behind the source. Undefined: nothing of its branch is stored. */
  measureLag(state: LogState): { readonly bytes: number; readonly newest: string } | undefined
}

export interface BaseWish {
  readonly target: RecoveryTarget
  /** A number, `current`, or `latest` (default). */
  readonly branch: string | undefined
  readonly bases: readonly LogBase[]
  /** The snapshot of the one that must do. */
  readonly wanted: string | undefined
  /** Say it in findings where a recovery may not end as it is wanted; may cost a look into the log. */
  readonly warns: boolean
  /** Of those findings. */
  readonly subject: string
}

/** The backup from which the log reaches a target, or why there is none. */
export type BaseChoice =
  | { readonly base: LogBase; readonly findings: readonly Finding[] }
  /** `better`: that one would do. */
  | { readonly reason: string; readonly better: LogBase | undefined }
