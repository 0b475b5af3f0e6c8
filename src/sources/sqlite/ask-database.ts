import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import type { CopyAnswer } from '../source.ts'
import { confine, isBlank, isDenied, refusalOf } from './confined.ts'

/** What an answer may hold, so that a statement that gives a table of gigabytes takes neither process's memory. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024
/** What a value takes beside its own bytes, about. */
const VALUE_BYTES = 16

/** Runs one statement on a file, so that it can reach nothing else and change nothing. */
export function askDatabase(path: string, sql: string, limit: number): CopyAnswer {
  if (isBlank(sql)) return { problem: 'there is no statement' }
  const db = new DatabaseSync(path, { readOnly: true, enableForeignKeyConstraints: false, timeout: 1000 })
  try {
    confine(db)
    const statement = db.prepare(sql)
    const refusal = refusalOf(sql, statement.sourceSQL)
    if (refusal !== undefined) return { problem: refusal }
    const columns = statement.columns().map(({ name }) => name)
    statement.setReadBigInts(true)
    statement.setReturnArrays(true)
    const iterator = statement.iterate() as IterableIterator<unknown> as IterableIterator<SQLOutputValue[]>
    const rows: SQLOutputValue[][] = []
    let bytes = 0
    for (const row of iterator) {
      bytes += sizeOf(row)
      if (rows.length === limit || (bytes > MAX_ANSWER_BYTES && rows.length > 0)) return { columns, rows, more: true }
      rows.push(row)
    }
    return { columns, rows, more: false }
  } catch (error) {
    if (isDenied(error)) return { problem: refusalOf(sql, sql) ?? 'it does more than read: SQLite would not run it' }
    throw error
  } finally {
    db.close()
  }
}

function sizeOf(row: readonly SQLOutputValue[]): number {
  let bytes = 0
  for (const value of row) {
    bytes += VALUE_BYTES + (typeof value === 'string' || value instanceof Uint8Array ? value.length : 0)
  }
  return bytes
}
