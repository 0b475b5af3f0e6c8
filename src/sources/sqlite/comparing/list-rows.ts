import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import { type ListedRow, SHOWN_CHARS, type ShownValue } from '../../../model/row-comparison.ts'
import { type FoundRow, type FoundValue, listedRows, RowPicker } from '../../listed-rows.ts'
import type { Side } from '../../row-matcher.ts'
import type { WantedRows } from '../../row-tally.ts'
import { quoteName } from '../schema-text.ts'
import { rowDigest } from './row-functions.ts'
import type { Comparable, Schema } from './table-pair.ts'
import { unequalRowsOf } from './unequal-rows.ts'

/** SQLite gives 2000 columns at most, and each takes four. */
const MAX_COLUMNS = 450
const EXPRESSIONS = 4

/** The rows that are wanted. What differs is read once more of each side. */
export function listRows(
  db: DatabaseSync,
  shapes: Comparable,
  schemas: Readonly<Record<Side, Schema>>,
  wanted: WantedRows,
  limit: number,
): ListedRow[] {
  const find = (side: Side): FoundRow[] => findRows(db, shapes, schemas[side], new RowPicker(wanted, side), limit)
  const key = shapes.key.map(({ name }) => name)
  return listedRows(find('before'), find('after'), key, limit)
}

function findRows(db: DatabaseSync, shapes: Comparable, schema: Schema, picker: RowPicker, limit: number): FoundRow[] {
  const columns = shapes.columns.slice(0, MAX_COLUMNS).map(({ name }) => name)
  const found: FoundRow[] = []
  if (picker.isDone) return found
  for (const row of unequalRowsOf(db, shapes, schema, columns.flatMap(shownExpressions))) {
    const picked = picker.pick(row)
    if (picked === undefined) continue
    const values = columns.map((column, at) => [column, valueOf(row.values.slice(at * EXPRESSIONS))] as const)
    found.push({ ...picked, values: new Map(values) })
    // Changed ones and others: no more of each are wanted, but equal whole rows may be many.
    if (picker.isDone || found.length >= limit * 2) break
  }
  return found
}

/** No more than its beginning leaves SQLite. */
function shownExpressions(column: string): string[] {
  const name = `a.${quoteName(column)}`
  const start = `CASE WHEN typeof(${name}) IN ('text', 'blob') THEN substr(${name}, 1, ${SHOWN_CHARS}) ELSE ${name} END`
  return [start, `typeof(${name})`, `octet_length(${name})`, rowDigest('a', [column])]
}

function valueOf([start = null, type, length, digest]: readonly SQLOutputValue[]): FoundValue {
  const bytes = start instanceof Uint8Array ? start.length : Buffer.byteLength(String(start))
  const isCut = (type === 'text' || type === 'blob') && bytes < Number(length)
  const more = isCut ? `… (${String(length)} bytes)` : ''
  const note = isCut ? `${type}, different further on` : String(type)
  const identity = Buffer.from(digest as Uint8Array).toString('latin1')
  return { shown: start === null ? null : shownText(start) + more, identity, note }
}

function shownText(value: NonNullable<SQLOutputValue>): NonNullable<ShownValue> {
  if (value instanceof Uint8Array) return `x'${Buffer.from(value).toString('hex')}'`
  return Object.is(value, -0) ? '-0.0' : String(value)
}
