/** How the rows of one table differ between two moments. */
export interface ComparedTable {
  /** As the manifest names it: `users`, `public.users`; of several databases with the database in front. */
  readonly table: string
  readonly presence: 'both' | 'before' | 'after'
  /** `key`: rows are matched by their primary key. `row`: the table has none on both sides, and whole rows are counted. */
  readonly by: 'key' | 'row'
  readonly rowsBefore: number
  readonly rowsAfter: number
  readonly onlyBefore: number
  readonly onlyAfter: number
  /** The same key with other values. Always 0 by `row`. */
  readonly changed: number
  /** Columns that only one side has: they are not compared. */
  readonly columnsOnlyBefore: readonly string[]
  readonly columnsOnlyAfter: readonly string[]
  /** Why it could not be compared; all counts are 0 then. */
  readonly problem?: string | undefined
  /** Where they were asked for: some of the rows that differ. */
  readonly listed?: readonly ListedRow[] | undefined
}

export interface ListedRow {
  readonly change: 'only-before' | 'only-after' | 'changed'
  /** The primary key, by column; empty where rows are counted as a whole. */
  readonly key: readonly KeyValue[]
  /** Of a changed row the columns that differ, of any other all that are not in `key`. */
  readonly columns: readonly ListedColumn[]
}

export interface KeyValue {
  readonly column: string
  readonly value: ShownValue
}

export interface ListedColumn {
  readonly column: string
  /** Absent for a row that was not there. */
  readonly before?: ShownValue
  readonly after?: ShownValue
}

/** As the engine writes it, cut where it is long; null: NULL. */
export type ShownValue = string | null

/** Longer values are cut to so many characters, or bytes, and their length is told. */
export const SHOWN_CHARS = 500

/** `users` names `users` and `public.users`. */
export function namesTable(wanted: string, name: string): boolean {
  return name === wanted || name.endsWith(`.${wanted}`)
}

/** Nothing differs, and all of it was compared. */
export function isSame(table: ComparedTable): boolean {
  const { onlyBefore, onlyAfter, changed, problem, presence, columnsOnlyBefore, columnsOnlyAfter } = table
  const columns = columnsOnlyBefore.length + columnsOnlyAfter.length
  return presence === 'both' && problem === undefined && onlyBefore + onlyAfter + changed + columns === 0
}
