import type { UnmergedTable } from '../model/merge-report.ts'
import type { TableDescription } from '../model/table-description.ts'

/** One connection to the target, with the backup at hand. Calls come one after the other. */
export interface MergingPlace {
  /** For people, without a password. */
  readonly target: string
  readonly dialect: Dialect
  /** Tables that hold rows of their own, on either side, in order of their names. */
  readonly tables: {
    readonly target: readonly TableDescription[]
    readonly backup: readonly TableDescription[]
    /** Of the backup what can't be merged row by row, and is in neither list. */
    readonly unmerged?: readonly UnmergedTable[]
  }
  countBackupRows(table: TableDescription): Promise<number>
  /** Copies rows of the backup into a work table, in the order of `orderBy`. */
  stage(staging: Staging): Promise<void>
  /** Runs one statement; the number of rows that it changed. */
  change(sql: string): Promise<number>
  /** Runs one query. For few rows: counts, examples. Every value as text. */
  rows(sql: string): Promise<ReadonlyArray<ReadonlyArray<string | null>>>
  /** What `begin` holds can be captured by somebody else. */
  readonly readableWhileHeld: boolean
  /** The table as `DatabaseSelection.tables` names it. */
  selector(table: TableDescription): string
  /** Begins the one transaction. Until its end nobody else writes to these tables of the target; reading goes on. Gives
   * its id, by which `settle` can tell whether it was committed, where there is one. */
  begin(tables: readonly TableDescription[]): Promise<string | undefined>
  /** For the rest of the transaction: no triggers of the application on this table. */
  silenceTriggers(table: TableDescription): Promise<void>
  /** For the rest of the transaction: references among these tables are checked at its end. */
  deferReferences(tables: readonly TableDescription[]): Promise<void>
  /**
   * Adds rows to a table, but for those that break a key which `TableDescription.uniqueKeys` does not name: of some rows
   * only, of expressions, an exclusion constraint. Returns whether all were added.
   */
  addWhatFits(adding: Adding): Promise<boolean>
  /** The greatest number that the database gave to a row of this table, though the row may be gone. */
  highestNumber(table: TableDescription, column: string): Promise<bigint>
  /** Finds what a commit would: references that were deferred lead somewhere. Throws `target-invalid`. */
  checkReferences(): Promise<void>
  /** Search indexes that do not follow their tables by themselves are built again; the names of those that could not be. */
  renewIndexes?(changed: readonly TableDescription[]): Promise<readonly string[]>
  /** Numbers that are given from now on must be free. `commit` has this done; nothing to do for engines that look. */
  advanceNumbers(tables: readonly TableDescription[]): Promise<void>
  /** What `begin` and the calls after it changed for the time of the transaction is put back first. */
  commit(): Promise<void>
  rollback(): Promise<void>
  /** Removes the backup's place and the work tables; rolls back what was not committed. Safe to call twice. */
  close(): Promise<void>
}

export interface Staging {
  readonly from: TableDescription
  readonly into: string
  readonly columns: ReadonlyArray<{ readonly from: string; readonly into: string }>
  readonly orderBy: readonly string[]
}

export interface Adding {
  readonly table: TableDescription
  /** `INSERT INTO ... SELECT ... FROM work AS b`. */
  readonly insert: string
  readonly work: string
  /** Which rows `b` of the work table; they go in the order of their `n`. */
  readonly condition: string
  readonly rows: number
}

/** Where engines say the same thing differently. */
export interface Dialect {
  /** `"name"`. */
  quote(name: string): string
  /** Where a work table of this name is, as statements name it. */
  work(name: string): string
  /** Declares a column that numbers rows from 1 in the order in which they come. */
  readonly rowNumber: string
  /** Between the columns and the rows of an INSERT that gives numbers of its own. */
  readonly overriding: string
  /** Two values are not the same in every bit, NULL being one. */
  differs(a: string, b: string): string
  /** Two values are equal as the column compares them, NULL being one. Slower than `=`: not for joins. */
  same(a: string, b: string): string
  /** A value as people read it. */
  text(value: string): string
  /** The statement that makes an index on a work table. */
  index(work: string, name: string, columns: readonly string[]): string
  /** The statement to run after many rows were written to a work table, where each needs its own. */
  analyze(work: string): string | undefined
  /** Statements to run once when all work tables were filled. */
  readonly analyzeAll?: readonly string[]
}
