import type { Finding } from '../../model/finding.ts'
import type { CreatedObject } from '../target.ts'

export interface BeginTablesAsk {
  /** The living database. */
  readonly path: string
  /** A whole database that only we know of, with the rows to come. */
  readonly from: string
  readonly waitMs: number
}

export interface ReplaceTablesAsk {
  readonly from: string
  /** As people write them; all of `from` when empty. */
  readonly tables: readonly string[]
  /** As in `RestoreRequest`. */
  readonly takeAway?: readonly CreatedObject[] | undefined
}

export interface ReplacedTables {
  readonly tables: readonly ReplacedTable[]
  /** What is not as it was in the snapshot, or was done beside the rows. */
  readonly findings: readonly Finding[]
}

export interface ReplacedTable {
  readonly name: string
  /** It was not there, and was created with its indexes and triggers. */
  readonly created: boolean
  /** Rows that it had, has to have, and has. */
  readonly rowsBefore: number
  readonly rowsWanted: number
  readonly rows: number
  /** Columns that the living table has and the backup has not: they got their defaults. */
  readonly defaulted: readonly string[]
  /** Columns that only the backup has: their values were left out. */
  readonly leftOut: readonly string[]
}

/** Why the tables can't be replaced; nothing was changed. */
export interface TablesRefused {
  readonly refused: 'not-found' | 'foreign-keys'
  readonly subject: string
  readonly known: readonly string[]
}
