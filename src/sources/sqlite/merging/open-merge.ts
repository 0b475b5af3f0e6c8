import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import { quoteText } from '../schema-text.ts'
import type { MergeFiles, MergeTables } from '../session-protocol.ts'
import { areForeignKeysSound, describeTables } from './describe-tables.ts'

/**
 * The target as `main`, and attached to it `work`, a file of ours that nobody needs when we are gone (so without a journal),
 * and `bak`, the copy of the backup. The transaction of `main` is as atomic as if it were alone: SQLite joins the journals
 * only of databases that have one.
 */
export function openMerge(files: MergeFiles): { db: DatabaseSync; tables: MergeTables } {
  const db = new DatabaseSync(files.target, { timeout: files.waitMs, enableDoubleQuotedStringLiterals: true })
  try {
    db.prepare('SELECT count(*) FROM main.sqlite_schema').get()
    db.exec(`ATTACH ${quoteText(files.work)} AS work; PRAGMA work.journal_mode = OFF; PRAGMA work.synchronous = OFF;
      ATTACH ${quoteText(files.backup)} AS bak`)
    const target = describeTables(db, 'main')
    const foreignKeysSound = areForeignKeysSound(target)
    // SQLite would check row by row, for a circle without an index on its references at the cost of a scan each, and counts
    // wrongly where some were broken before. All are checked at once before the commit.
    db.exec('PRAGMA foreign_keys = OFF; PRAGMA work.cache_size = -65536')
    return { db, tables: { target, backup: describeTables(db, 'bak'), foreignKeysSound } }
  } catch (error) {
    db.close()
    throw error
  }
}

export function readAsText(db: DatabaseSync, sql: string): Array<Array<string | null>> {
  const statement = db.prepare(sql)
  statement.setReadBigInts(true)
  statement.setReturnArrays(true)
  const rows = statement.all() as unknown as SQLOutputValue[][]
  return rows.map(row => row.map(value => (value === null ? null : String(value))))
}
