import type { TablePiece } from '../archive/archive-tables.ts'

/** One table of one side, before its rows are read. */
export interface SideTable {
  /** As the manifest has it. */
  readonly name: string
  /** In the order in which `read` gives their values. */
  readonly columns: readonly string[]
  /** Columns of its primary key; undefined where that is not known. */
  readonly key: readonly string[] | undefined
  /** What is known beforehand of the number of its rows. */
  readonly rows: number | undefined
  /** Why its rows are not to be had. */
  readonly problem: string | undefined
}

/** One database as of one instant. */
export interface SideRows {
  readonly tables: ReadonlyMap<string, SideTable>
  /** Reads the rows of these tables, one table after the other. Of one that turns out to be unreadable `onProblem` is told. */
  read(tables: readonly string[], onProblem: (table: string, problem: string) => void): AsyncIterable<TablePiece>
  close(): Promise<void>
}

export const NO_ROWS: SideRows = {
  tables: new Map(),
  // oxlint-disable-next-line require-yield -- it has none.
  read: async function* () {},
  close: () => Promise.resolve(),
}
