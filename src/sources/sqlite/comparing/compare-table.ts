import type { DatabaseSync } from 'node:sqlite'
import type { ComparedTable } from '../../../model/row-comparison.ts'
import { RowMatcher, type Side } from '../../row-matcher.ts'
import { RowTally } from '../../row-tally.ts'
import { quoteText } from '../schema-text.ts'
import { listRows } from './list-rows.ts'
import { addRowFunctions } from './row-functions.ts'
import { type Comparable, compareShapes, pairTables, type Schema, type TablePair } from './table-pair.ts'
import { unequalRows } from './unequal-rows.ts'

export interface CompareTableAsk {
  readonly table: string
  readonly scratchDir: string
  readonly listRows: number
}

/** Which moment each database of the connection is of. */
type Sides = Readonly<Record<Schema, Side>>

/** The database that is open, as `main`, and another one, attached as `bak`: each as of its own instant. */
export class Comparison {
  readonly #db: DatabaseSync
  readonly #pairs: ReadonlyMap<string, TablePair>
  readonly #sides: Sides

  /** `main`: which moment the open one is of. The connection is not to be used for anything else afterwards. */
  constructor(db: DatabaseSync, other: string, main: Side) {
    db.exec(`ATTACH ${quoteText(other)} AS bak`)
    addRowFunctions(db)
    this.#db = db
    this.#sides = { main, bak: main === 'before' ? 'after' : 'before' }
    this.#pairs = new Map(pairTables(db).map(pair => [pair.name, pair]))
  }

  get tables(): readonly string[] {
    return [...this.#pairs.keys()]
  }

  compare(ask: CompareTableAsk): ComparedTable {
    const pair = this.#pairs.get(ask.table)
    if (!pair) throw new Error(`there is no table ${ask.table}`)
    const nothing: ComparedTable = {
      table: pair.name,
      presence: this.#presenceOf(pair),
      by: 'row',
      ...NO_ROWS,
      columnsOnlyBefore: [],
      columnsOnlyAfter: [],
    }
    if (pair.unreadable) return { ...nothing, problem: 'only the application can read its rows' }
    try {
      const { main, bak } = pair
      if (main && bak) return compareBoth(this.#db, compareShapes(pair, main, bak), this.#sides, ask)
      const rows = count(this.#db, (main ?? bak)?.scan ?? '')
      if (nothing.presence === 'before') return { ...nothing, rowsBefore: rows, onlyBefore: rows }
      return { ...nothing, rowsAfter: rows, onlyAfter: rows }
    } catch (error) {
      // A collation of the application's own, a damaged page: the other tables can be told all the same.
      if (!(error instanceof Error && 'errcode' in error)) throw error
      return { ...nothing, problem: error.message }
    }
  }

  #presenceOf({ main, bak }: TablePair): ComparedTable['presence'] {
    if (main !== undefined && bak !== undefined) return 'both'
    if (main === undefined && bak === undefined) return 'both'
    return main === undefined ? this.#sides.bak : this.#sides.main
  }
}

const NO_ROWS = { rowsBefore: 0, rowsAfter: 0, onlyBefore: 0, onlyAfter: 0, changed: 0 }

function compareBoth(db: DatabaseSync, shapes: Comparable, sides: Sides, ask: CompareTableAsk): ComparedTable {
  const { main, bak, onlyMain, onlyBak, key } = shapes
  const isMainBefore = sides.main === 'before'
  const compared = {
    table: main.name,
    presence: 'both',
    by: key.length > 0 ? 'key' : 'row',
    columnsOnlyBefore: isMainBefore ? onlyMain : onlyBak,
    columnsOnlyAfter: isMainBefore ? onlyBak : onlyMain,
  } as const
  if (shapes.columns.length === 0) return { ...compared, ...NO_ROWS, problem: 'the two have no column in common' }
  const rows = { main: count(db, main.scan), bak: count(db, bak.scan) }
  const tally = new RowTally(ask.listRows)
  const table = tally.addTable()
  const matcher = new RowMatcher(ask.scratchDir, tally)
  try {
    for (const row of unequalRows(db, shapes, rows, ask.listRows > 0)) {
      const { fate, key: digest = '' } = row
      if (fate === 'changed') tally.onChanged(table, digest)
      else if (fate === 'only') tally.onOnly(sides[row.schema], table, { keyed: true, digest, count: 1 })
      else matcher.add(sides[row.schema], table, row)
    }
    matcher.finish()
  } finally {
    matcher.close()
  }
  const counts = tally.countsOf(table)
  const schemas = isMainBefore
    ? ({ before: 'main', after: 'bak' } as const)
    : ({ before: 'bak', after: 'main' } as const)
  const listed =
    ask.listRows === 0 ? {} : { listed: listRows(db, shapes, schemas, tally.wantedOf(table), ask.listRows) }
  const [rowsBefore, rowsAfter] = isMainBefore ? [rows.main, rows.bak] : [rows.bak, rows.main]
  return { ...compared, rowsBefore, rowsAfter, ...counts, ...listed }
}

function count(db: DatabaseSync, scan: string): number {
  return Number(db.prepare(`SELECT count(*) AS n FROM ${scan}`).get()?.['n'])
}
