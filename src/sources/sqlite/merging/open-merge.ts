import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import type { TableDescription } from '../../../model/table-description.ts'
import { quoteText } from '../schema-text.ts'
import type { MergeFiles, MergeTables } from '../session-protocol.ts'
import { isWritable, listUnmerged } from './beside-rows.ts'
import { areForeignKeysSound, describeTables } from './describe-tables.ts'
import { workSchema } from './work-files.ts'

/**
 * The target as `main`, and attached to it the work files of ours that nobody needs when we are gone (so without a journal),
 * and `bak`, the copy of the backup. The transaction of `main` is as atomic as if it were alone: SQLite joins the journals
 * only of databases that have one.
 */
export function openMerge(files: MergeFiles): { db: DatabaseSync; tables: MergeTables } {
  // `defensive` would keep us from putting triggers aside.
  const options = { timeout: files.waitMs, enableDoubleQuotedStringLiterals: true, defensive: false }
  const db = new DatabaseSync(files.target, options)
  try {
    db.prepare('SELECT count(*) FROM main.sqlite_schema').get()
    for (const [at, file] of files.work.entries()) {
      const work = workSchema(at)
      db.exec(
        `ATTACH ${quoteText(file)} AS ${work}; PRAGMA ${work}.journal_mode = OFF; PRAGMA ${work}.synchronous = OFF`,
      )
    }
    db.exec(`ATTACH ${quoteText(files.backup)} AS bak`)
    const described = { target: describeTables(db, 'main'), backup: describeTables(db, 'bak') }
    const needing = listNeeding(db, described)
    const unneeding = (table: TableDescription): boolean => !needing.has(table.name)
    const [target, backup] = [described.target.filter(unneeding), described.backup.filter(unneeding)]
    const needed = described.backup.filter(table => needing.has(table.name))
    const unmerged = [
      ...needed.map(({ name: table }) => ({ table, why: 'needs-application' as const, rows: undefined })),
      ...listUnmerged(db),
    ]
    const foreignKeysSound = areForeignKeysSound(described.target)
    // SQLite would check row by row, for a circle without an index on its references at the cost of a scan each, and counts
    // wrongly where some were broken before. All are checked at once before the commit.
    db.exec('PRAGMA foreign_keys = OFF')
    const cacheKiB = Math.floor(65_536 / files.work.length)
    for (const at of files.work.keys()) db.exec(`PRAGMA ${workSchema(at)}.cache_size = -${cacheKiB}`)
    return { db, tables: { target, backup, foreignKeysSound, unmerged } }
  } catch (error) {
    db.close()
    throw error
  }
}

function listNeeding(db: DatabaseSync, { target, backup }: Pick<MergeTables, 'target' | 'backup'>): Set<string> {
  const backups = new Map(backup.map(table => [table.name, table]))
  const needing = target.filter(table => {
    const other = backups.get(table.name)
    return other !== undefined && !isWritable(db, table, other)
  })
  return new Set(needing.map(table => table.name))
}

export function readAsText(db: DatabaseSync, sql: string): Array<Array<string | null>> {
  const statement = db.prepare(sql)
  statement.setReadBigInts(true)
  statement.setReturnArrays(true)
  const rows = statement.all() as unknown as SQLOutputValue[][]
  return rows.map(row => row.map(value => (value === null ? null : String(value))))
}
