import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { digestOf } from '../../row-digest.ts'
import { quoteName } from '../schema-text.ts'

/**
 * Functions of our own on the connection that compares: a row becomes a digest where it lies, so that large values do not
 * leave SQLite, and none is changed on its way. A text goes in as its bytes: it need not be UTF-8, and may hold NUL.
 */
export function addRowFunctions(db: DatabaseSync): void {
  const options = { varargs: true, useBigIntArguments: true, deterministic: true } as const
  db.function('lifeboat_row', options, (...values) => Buffer.from(digestOf(pairs(values).flatMap(encode)), 'latin1'))
  // SQLite keeps -0.0, and has no function that tells it.
  db.function('lifeboat_sign', { deterministic: true, useBigIntArguments: true }, value =>
    Object.is(value, -0) ? 1 : 0,
  )
  db.function('lifeboat_key', options, (...values) => {
    const all = pairs(values).map(({ value, isText }) => ({ value: asKey(value), isText }))
    // SQLite lets several rows have NULL there: they are no keys.
    if (all.some(({ value }) => value === null)) return null
    return Buffer.from(digestOf(all.flatMap(encode)), 'latin1')
  })
}

/** SQLite allows 127 arguments in its older versions; each column takes two. */
const COLUMNS_A_CALL = 60

/** An expression for the digest of these columns of `alias`; of many columns, a digest of digests. */
export function rowDigest(alias: string, columns: readonly string[]): string {
  const value = (column: string): string => typed(`${alias}.${quoteName(column)}`)
  const calls: string[] = []
  for (let at = 0; at < columns.length; at += COLUMNS_A_CALL) {
    const some = columns.slice(at, at + COLUMNS_A_CALL)
    calls.push(`lifeboat_row(${some.map(value).join(', ')})`)
  }
  const [only = 'lifeboat_row()'] = calls
  return calls.length < 2 ? only : `lifeboat_row(${calls.map(call => `${call}, 0`).join(', ')})`
}

export interface KeyColumn {
  readonly name: string
  /** How SQLite compares it: keys that it holds for equal have one digest. */
  readonly collation: string
}

/** NULL for a row without a key. */
export function keyDigest(alias: string, key: readonly KeyColumn[]): string {
  if (key.length === 0) return 'NULL'
  const value = ({ name, collation }: KeyColumn): string => {
    const column = `${alias}.${quoteName(name)}`
    const folded = { NOCASE: `lower(${column})`, RTRIM: `rtrim(${column}, ' ')` }[collation]
    const text = folded ?? column
    return `CASE typeof(${column}) WHEN 'text' THEN CAST(${text} AS BLOB) ELSE ${column} END, typeof(${column}) = 'text'`
  }
  return `lifeboat_key(${key.map(value).join(', ')})`
}

function typed(column: string): string {
  return `CASE typeof(${column}) WHEN 'text' THEN CAST(${column} AS BLOB) ELSE ${column} END, typeof(${column}) = 'text'`
}

/**
 * Two values are not stored the same. Without the column's collation, by which 'a' may equal 'A'. Where values are not made
 * to be of one type, 1 equals 1.0 and -0.0 equals 0.0 too: asking for that takes most of the time of a comparison.
 */
export function storedOtherwise({ name, isOfOneType }: ComparedColumn): string {
  const [a, b] = [`a.${quoteName(name)}`, `b.${quoteName(name)}`]
  const differs = `${a} IS NOT ${b} COLLATE BINARY`
  if (isOfOneType) return `(${differs})`
  const zero = `(typeof(${a}) = 'real' AND ${a} = 0 AND lifeboat_sign(${a}) <> lifeboat_sign(${b}))`
  return `(${differs} OR typeof(${a}) <> typeof(${b}) OR ${zero})`
}

export interface ComparedColumn {
  readonly name: string
  /** SQLite converts what is equal to the same type on its way in, and to the same on both sides. */
  readonly isOfOneType: boolean
}

interface Value {
  readonly value: SQLInputValue
  readonly isText: boolean
}

function pairs(values: readonly SQLInputValue[]): Value[] {
  const all: Value[] = []
  for (let at = 0; at < values.length; at += 2) {
    all.push({ value: values[at] ?? null, isText: Number(values[at + 1]) === 1 })
  }
  return all
}

/** In a key 1 and 1.0 are the same. */
function asKey(value: SQLInputValue): SQLInputValue {
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
}

/** A tag, its length where that is not given, the bytes: no two lists of values come to the same bytes. */
function encode({ value, isText }: Value): Uint8Array[] {
  if (value === null) return [Buffer.from('n')]
  if (typeof value === 'bigint') return [Buffer.from(`i${value};`)]
  if (typeof value === 'number') {
    const real = Buffer.from('r12345678')
    real.writeDoubleLE(value, 1)
    return [real]
  }
  const bytes = typeof value === 'string' ? Buffer.from(value) : (value as Uint8Array)
  return [Buffer.from(`${isText ? 't' : 'b'}${bytes.length};`), bytes]
}
