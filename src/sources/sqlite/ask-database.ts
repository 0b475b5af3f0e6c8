import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import type { CopyAnswer } from '../source.ts'

/** Runs one statement on a file that it can't change, and takes the one value that it gives. */
export function askDatabase(path: string, sql: string): CopyAnswer {
  const db = new DatabaseSync(path, { readOnly: true, enableForeignKeyConstraints: false, timeout: 1000 })
  try {
    const statement = db.prepare(sql)
    const columns = statement.columns().length
    if (columns !== 1) return { problem: `${columns} columns in place of one value` }
    statement.setReadBigInts(true)
    statement.setReturnArrays(true)
    const rows = statement.iterate() as IterableIterator<unknown> as IterableIterator<readonly SQLOutputValue[]>
    const first = rows.next()
    if (first.done) return { problem: 'no row' }
    if (!rows.next().done) return { problem: 'more than one row in place of one value' }
    return { value: textOf(first.value[0]) }
  } finally {
    db.close()
  }
}

function textOf(value: SQLOutputValue | undefined): string | null {
  if (value === null || value === undefined) return null
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value)
}
