import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import type { TableDescription } from '../../../model/table-description.ts'
import type { DigestedRow } from '../../row-matcher.ts'
import { quoteName } from '../schema-text.ts'
import { keyDigest, rowDigest, storedOtherwise } from './row-functions.ts'
import type { Comparable, Schema } from './table-pair.ts'

/** A row with what was selected of it beside its digests. */
export interface UnequalRow extends DigestedRow {
  readonly schema: Schema
  readonly values: readonly SQLOutputValue[]
}

/**
 * Rows that do not stand, with the same values, at the same place on the other side: nearly all do, and SQLite passes those
 * over by itself. Taking equal pairs away changes nothing of what differs. Each side is read once, and the places of `bak`
 * once more.
 */
export function* unequalRows(db: DatabaseSync, shapes: Comparable): Generator<UnequalRow> {
  const { main, bak } = shapes
  if (shapes.beside.length === 0) {
    yield* read(db, `SELECT ${digests('a', shapes)} FROM ${main.scan} AS a`, ['main'])
    yield* read(db, `SELECT ${digests('a', shapes)} FROM ${bak.scan} AS a`, ['bak'])
    return
  }
  const select = `SELECT ${digests('a', shapes)}, ${digests('b', shapes)}, ${isAlone(shapes)}`
  yield* read(db, `${select} ${fromUnequal(shapes, main, bak)}`, ['main', 'bak'])
  const lacking = `NOT EXISTS (SELECT 1 FROM ${main.scan} AS a WHERE ${sharesPlace(shapes, 'a', 'b')})`
  yield* read(db, `SELECT ${digests('b', shapes)} FROM ${bak.scan} AS b WHERE ${lacking}`, ['bak'])
}

/** Those of one side alone, with `columns`, expressions over `a`. */
export function* unequalRowsOf(
  db: DatabaseSync,
  shapes: Comparable,
  schema: Schema,
  columns: readonly string[],
): Generator<UnequalRow> {
  const [here, there] = schema === 'main' ? [shapes.main, shapes.bak] : [shapes.bak, shapes.main]
  const from = shapes.beside.length === 0 ? `FROM ${here.scan} AS a` : fromUnequal(shapes, here, there)
  yield* read(db, `SELECT ${[digests('a', shapes), ...columns].join(', ')} ${from}`, [schema])
}

const digests = (alias: string, { key, columns }: Comparable): string =>
  `${keyDigest(alias, key)}, ${rowDigest(alias, columns)}`

function sharesPlace({ beside }: Comparable, found: string, by: string): string {
  return beside.map(name => `${found}.${quoteName(name)} = ${by}.${quoteName(name)}`).join(' AND ')
}

const isAlone = ({ beside: [first = ''] }: Comparable): string => `b.${quoteName(first)} IS NULL`

function fromUnequal(shapes: Comparable, here: TableDescription, there: TableDescription): string {
  const differs = shapes.columns.map(storedOtherwise).join(' OR ')
  const join = `${here.scan} AS a LEFT JOIN ${there.scan} AS b ON ${sharesPlace(shapes, 'b', 'a')}`
  return `FROM ${join} WHERE ${isAlone(shapes)} OR ${differs}`
}

/** What is read of a row of the result: digests of `a`; of two sides those of `b` too, and whether there is no such row. */
const [KEY, ROW, OTHER_KEY, OTHER_ROW, ALONE] = [0, 1, 2, 3, 4]

function* read(db: DatabaseSync, sql: string, [first = 'main', second]: readonly Schema[]): Generator<UnequalRow> {
  const statement = db.prepare(sql)
  statement.setReturnArrays(true)
  statement.setReadBigInts(true)
  const rows = statement.iterate() as IterableIterator<unknown> as IterableIterator<SQLOutputValue[]>
  for (const values of rows) {
    yield { schema: first, key: text(values[KEY]), row: text(values[ROW]) ?? '', values: values.slice(2) }
    if (second === undefined || values[ALONE] === 1n) continue
    yield { schema: second, key: text(values[OTHER_KEY]), row: text(values[OTHER_ROW]) ?? '', values: [] }
  }
}

function text(digest: SQLOutputValue | undefined): string | undefined {
  if (!(digest instanceof Uint8Array)) return undefined
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('latin1')
}
