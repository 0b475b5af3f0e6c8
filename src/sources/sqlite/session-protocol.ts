import type { ManifestCondition, ManifestFailure, ManifestTable } from '../../model/manifest.ts'
import type { MaskableTable } from '../../model/masking/maskable.ts'
import type { UnmergedTable } from '../../model/merge-report.ts'
import type { ComparedTable } from '../../model/row-comparison.ts'
import type { TableDescription } from '../../model/table-description.ts'
import type { Side } from '../row-matcher.ts'
import type { ChangedTables, CheckOutcome, CopyAnswer } from '../source.ts'
import type { CompareTableAsk } from './comparing/compare-table.ts'
import type { IntegrityCheck } from './integrity.ts'
import type { CopyOutcome, CopyRequest } from './masking/copy-protocol.ts'
import type { BeginTablesAsk, ReplacedTables, ReplaceTablesAsk, TablesRefused } from './replaced-table.ts'
import type { WalIndexHeader } from './wal-index.ts'

/** What a session can be asked, with what it answers. One at a time, in order. */
export interface SessionCalls {
  /** Begins a read transaction: from now on the connection sees one instant. */
  pin: { ask: { path: string; waitMs: number }; answer: Pinned }
  /** Ends that transaction, so that writers of a rollback journal go on. Where there is none: only answers. */
  release: { ask: Readonly<Record<string, never>>; answer: null }
  describe: { ask: { countRows: boolean; countViolations: boolean }; answer: Description }
  /** What SQLite's own check finds: in the transaction that is open, or in a file that only we know of. */
  judge: { ask: { check: IntegrityCheck; path: string | undefined }; answer: ManifestFailure[] }
  /** Closes the database and removes an empty WAL that only our reading has made. */
  tidy: { ask: { path: string }; answer: null }
  /** Copies the database as of one instant into a new file with SQLite's own backup. */
  copy: { ask: { path: string; into: string; waitMs: number }; answer: null }
  /** Opens a file that only we know of: a copy, or what a restore has written. Left-over journals are rolled back. */
  openPrivate: { ask: { path: string }; answer: null }
  /** The next piece of the SQL text; empty at its end. */
  dump: { ask: { part: 'schema' | 'data' }; answer: Uint8Array }
  /** Runs SQL text that makes a schema against the private file. */
  run: { ask: { sql: string }; answer: null }
  check: { ask: { expected: ExpectedContent | undefined }; answer: CheckReport }
  /** Opens a living database and one whose rows are to come, and locks the first one against other writers. */
  beginTables: { ask: BeginTablesAsk; answer: null }
  /** What that would change and make. */
  announceTables: { ask: ReplaceTablesAsk; answer: ChangedTables | TablesRefused }
  /** Gives tables the rows of the other database, in that transaction; commits it, or nothing was changed. */
  replaceTables: { ask: ReplaceTablesAsk; answer: ReplacedTables | TablesRefused }
  /** Runs one statement on a file, so that it can reach nothing else and change nothing. */
  ask: { ask: { path: string; sql: string; limit: number }; answer: CopyAnswer }
  /** Locks a database against all others until the session ends. False: another program has it. See `hold.ts`. */
  holdAlone: { ask: { path: string; waitMs: number }; answer: boolean }
  /** With that lock: leaves nothing in the log. False: it could not. */
  foldLog: { ask: Readonly<Record<string, never>>; answer: boolean }
  /** Locks a database against all other writers until the session ends. False: another program writes to it. */
  holdWrites: { ask: { path: string; waitMs: number }; answer: boolean }
  /** Opens a target to be written, with a work file and a copy of a backup attached. Describes the tables of both. */
  openMerge: { ask: MergeFiles; answer: MergeTables }
  /** Runs one statement; the number of rows that it changed. */
  change: { ask: { sql: string }; answer: number }
  /** Builds the search indexes over these tables again; the names of those that could not be. */
  putTriggersAside: { ask: Record<string, never>; answer: null }
  putTriggersBack: { ask: Record<string, never>; answer: null }
  renewIndexes: { ask: { changed: readonly string[] }; answer: readonly string[] }
  /** Runs one query; its values as text. */
  rows: { ask: { sql: string }; answer: ReadonlyArray<ReadonlyArray<string | null>> }
  /** Opens a staged database and an empty file for its masked copy. Then the staged one can be unlinked. */
  openStaged: { ask: { staged: string; into: string }; answer: MaskableTable[] }
  /** Makes that copy and closes both. */
  copyMasked: { ask: CopyRequest; answer: CopyOutcome }
  /** Attaches another database to the one that is open, and lists the tables of both. `main`: which moment the open one is of. */
  openComparison: { ask: { other: string; main: Side }; answer: readonly string[] }
  /** Compares one of them. */
  compareTable: { ask: CompareTableAsk; answer: ComparedTable }
  /** Ends the write-ahead log of a private file, leaving one file. */
  settle: { ask: Readonly<Record<string, never>>; answer: null }
}

export interface MergeFiles {
  readonly target: string
  readonly work: readonly string[]
  readonly backup: string
  readonly waitMs: number
}

export interface MergeTables {
  readonly target: readonly TableDescription[]
  readonly backup: readonly TableDescription[]
  /** SQLite can check the foreign keys: each refers to a table and a unique key that exist. */
  readonly foreignKeysSound: boolean
  /** Of the backup what is not in `backup`, because it can't be merged row by row. */
  readonly unmerged: readonly UnmergedTable[]
}

/** The message of the fault when no exact mark was found in the time for it. */
export const NO_EXACT_MARK = 'no exact mark'
/** The message of the fault when the `-shm` file speaks of another time: nobody who may write it has the database open. */
export const NO_LIVE_INDEX = 'no live index'

export type CallName = keyof SessionCalls

export interface Pinned {
  readonly journalMode: string
  /** In WAL mode: the mark, and how many frames below it are in the file already. */
  readonly wal: { readonly header: WalIndexHeader; readonly backfilled: number } | undefined
}

export interface Description {
  readonly tables: readonly ManifestTable[]
  readonly schemaFingerprint: string
  readonly schemaVersion: string | undefined
  readonly properties: Readonly<Record<string, string | number | boolean | null>>
  /** Tables that could not be read, with SQLite's word for it. */
  readonly unreadable: ReadonlyArray<{ readonly name: string; readonly message: string }>
}

export interface ExpectedContent {
  readonly tables: readonly ManifestTable[]
  /** Undefined for a copy that was made without some of its indexes. */
  readonly schemaFingerprint: string | undefined
  /** Violated foreign keys at capture time; undefined when they were not counted. */
  readonly foreignKeyViolations: number | undefined
  /** What was wrong when it was captured; undefined when nobody looked. */
  readonly condition: ManifestCondition | undefined
}

export interface CheckReport {
  readonly checks: readonly CheckOutcome[]
  /** What SQLite's check found. Its outcome says whether the restore is to blame. */
  readonly failures: readonly ManifestFailure[]
  /** Violated foreign keys found, where nobody counted them before. */
  readonly uncountedViolations: number
  /** The database is so big that only pages and rows were checked. */
  readonly quick: boolean
}

export interface Fault {
  readonly message: string
  /** SQLite's extended result code; undefined for an error that isn't SQLite's. */
  readonly sqliteCode: number | undefined
  /** Node's `code`, `ENOSPC` for example. */
  readonly systemCode: string | undefined
  /** Where it was thrown, for faults that are neither SQLite's nor the system's. */
  readonly stack: string | undefined
}

export interface SessionRequest {
  readonly id: number
  readonly call: CallName
  readonly ask: unknown
}

export type SessionReply =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly fault: Fault }
