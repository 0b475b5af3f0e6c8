import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import type { TableDescription } from '../../../model/table-description.ts'
import type { DigestedRow } from '../../row-matcher.ts'
import { quoteName } from '../schema-text.ts'
import { keyDigest, rowDigest, storedOtherwise } from './row-functions.ts'
import type { Comparable, Schema } from './table-pair.ts'

/** A row with what was selected of it beside its digests. */
export interface UnequalRow extends DigestedRow {
  readonly schema: Schema
  /**
   * `changed`: a row with the same key and other values stands at its place; told once, of `main`. `only`: there is no row
   * with its key. `open`: its match may stand elsewhere. Digests are empty where they are not needed.
   */
  readonly fate: 'changed' | 'only' | 'open'
  readonly values: readonly SQLOutputValue[]
}

export interface RowCounts {
  readonly main: number
  readonly bak: number
}

/**
 * Rows that do not stand, with the same values, at the same place on the other side: nearly all do, and SQLite passes those
 * over by itself. Taking equal pairs away changes nothing of what differs. `namesKeys`: tell the key of each.
 */
export function* unequalRows(
  db: DatabaseSync,
  shapes: Comparable,
  rows: RowCounts,
  namesKeys: boolean,
): Generator<UnequalRow> {
  const { main, bak, isKeyBeside } = shapes
  if (shapes.beside.length === 0) {
    yield* read(db, `SELECT ${NO_FATE}, ${digests('a', shapes)} FROM ${main.scan} AS a`, ['main'])
    yield* read(db, `SELECT ${NO_FATE}, ${digests('a', shapes)} FROM ${bak.scan} AS a`, ['bak'])
    return
  }
  let beside = rows.main
  for (const row of read(db, selectPairs(shapes, namesKeys), ['main', 'bak'], isKeyBeside)) {
    if (row.isAlone) beside -= 1
    yield row
  }
  // Each of `bak` stands beside one of `main`: no need to look for others.
  if (beside === rows.bak) return
  const lacking = `NOT EXISTS (SELECT 1 FROM ${main.scan} AS a WHERE ${sharesPlace(shapes, 'a', 'b')})`
  const found = isKeyBeside
    ? `0, 1, ${namesKeys ? keyDigest('b', shapes.key) : 'NULL'}, NULL`
    : `${NO_FATE}, ${digests('b', shapes)}`
  yield* read(db, `SELECT ${found} FROM ${bak.scan} AS b WHERE ${lacking}`, ['bak'], isKeyBeside)
}

/** Those of one side, with their keys and `columns`, expressions over `a`. */
export function* unequalRowsOf(
  db: DatabaseSync,
  shapes: Comparable,
  schema: Schema,
  columns: readonly string[],
): Generator<UnequalRow> {
  const [here, there] = schema === 'main' ? [shapes.main, shapes.bak] : [shapes.bak, shapes.main]
  if (shapes.beside.length === 0) {
    yield* read(db, `SELECT ${[NO_FATE, digests('a', shapes), ...columns].join(', ')} FROM ${here.scan} AS a`, [schema])
    return
  }
  const found = [fateOf(shapes), keyDigest('a', shapes.key), unlessSettled(shapes, rowDigest('a', namesOf(shapes)))]
  const sql = `SELECT ${[...found, ...columns].join(', ')} ${fromUnequal(shapes, here, there)}`
  yield* read(db, sql, [schema], shapes.isKeyBeside)
}

const namesOf = ({ columns }: Comparable): string[] => columns.map(({ name }) => name)

const digests = (alias: string, shapes: Comparable): string =>
  `${keyDigest(alias, shapes.key)}, ${rowDigest(alias, namesOf(shapes))}`

/** Whether the row beside has the same key, and whether there is none. */
const NO_FATE = '0, 0'
const fateOf = (shapes: Comparable): string => `${hasSameKey(shapes)}, ${isAlone(shapes)}`

function hasSameKey({ key }: Comparable): string {
  if (key.length === 0) return '0'
  return `coalesce(${key.map(({ name }) => `b.${quoteName(name)} = a.${quoteName(name)}`).join(' AND ')}, 0)`
}

function isAlone({ beside: [first = ''] }: Comparable): string {
  return `b.${quoteName(first)} IS NULL`
}

/** A digest takes much longer than to see that a value differs. */
function unlessSettled(shapes: Comparable, digest: string): string {
  const settled = [hasSameKey(shapes), ...(shapes.isKeyBeside ? [isAlone(shapes)] : [])].join(' OR ')
  return `CASE WHEN ${settled} THEN NULL ELSE ${digest} END`
}

function selectPairs(shapes: Comparable, namesKeys: boolean): string {
  const own = keyDigest('a', shapes.key)
  const other = (digest: string): string => `CASE WHEN ${isAlone(shapes)} THEN NULL ELSE ${digest} END`
  const found = [
    fateOf(shapes),
    namesKeys ? own : unlessSettled(shapes, own),
    unlessSettled(shapes, rowDigest('a', namesOf(shapes))),
    unlessSettled(shapes, other(keyDigest('b', shapes.key))),
    unlessSettled(shapes, other(rowDigest('b', namesOf(shapes)))),
  ]
  return `SELECT ${found.join(', ')} ${fromUnequal(shapes, shapes.main, shapes.bak)}`
}

function sharesPlace({ beside }: Comparable, found: string, by: string): string {
  return beside.map(name => `${found}.${quoteName(name)} = ${by}.${quoteName(name)}`).join(' AND ')
}

function fromUnequal(shapes: Comparable, here: TableDescription, there: TableDescription): string {
  const differs = shapes.columns.map(storedOtherwise).join(' OR ')
  const join = `${here.scan} AS a LEFT JOIN ${there.scan} AS b ON ${sharesPlace(shapes, 'b', 'a')}`
  return `FROM ${join} WHERE ${isAlone(shapes)} OR ${differs}`
}

/** What is read of a row of the result: its fate, digests of `a`, and of two sides those of `b`; or more of `a`. */
const [SAME_KEY, ALONE, KEY, ROW, OTHER_KEY, OTHER_ROW] = [0, 1, 2, 3, 4, 5]

interface ReadRow extends UnequalRow {
  readonly isAlone: boolean
}

/** `isKeyBeside`: a row that is alone has its key alone. With two schemas, the row beside it follows where it is open. */
function* read(
  db: DatabaseSync,
  sql: string,
  [first = 'main', second]: readonly Schema[],
  isKeyBeside = false,
): Generator<ReadRow> {
  const statement = db.prepare(sql)
  statement.setReturnArrays(true)
  statement.setReadBigInts(true)
  const rows = statement.iterate() as IterableIterator<unknown> as IterableIterator<SQLOutputValue[]>
  for (const values of rows) {
    const isAlone = values[ALONE] === 1n
    const fate = values[SAME_KEY] === 1n ? 'changed' : isAlone && isKeyBeside ? 'only' : 'open'
    const own = { key: text(values[KEY]), row: text(values[ROW]) ?? '' }
    yield { schema: first, fate, ...own, values: values.slice(ROW + 1), isAlone }
    if (second === undefined || isAlone || fate !== 'open') continue
    const other = { key: text(values[OTHER_KEY]), row: text(values[OTHER_ROW]) ?? '' }
    yield { schema: second, fate, ...other, values: [], isAlone: false }
  }
}

function text(digest: SQLOutputValue | undefined): string | undefined {
  if (!(digest instanceof Uint8Array)) return undefined
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('latin1')
}
