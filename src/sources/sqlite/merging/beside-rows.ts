import type { DatabaseSync } from 'node:sqlite'
import type { UnmergedTable } from '../../../model/merge-report.ts'
import type { TableDescription } from '../../../model/table-description.ts'
import { isUnevaluable } from '../integrity.ts'
import { quoteName } from '../schema-text.ts'
import { checkVirtual, listStored, rebuildStatement, type StoredTable } from '../stored-tables.ts'

/** Search indexes over other tables, that are to be built again when those got rows. */
export function listIndexes(db: DatabaseSync): StoredTable[] {
  return listStored(db).filter(({ virtual }) => virtual?.kind === 'external')
}

/**
 * Builds the indexes again whose tables changed. Those that did not hold what their tables hold when the backup was taken are
 * for the application to fill. The names of those that may not agree with their rows now.
 */
export function renewIndexes(db: DatabaseSync, indexes: readonly StoredTable[], changed: readonly string[]): string[] {
  const names = new Set(changed.map(name => name.toLowerCase()))
  const ordinary = new Set(
    indexes.length === 0 ? [] : listStored(db).flatMap(({ name, virtual }) => (virtual ? [] : [name.toLowerCase()])),
  )
  const backup = new Set(listStored(db, 'bak').map(({ name }) => name))
  return indexes.flatMap(({ name, virtual }) => {
    const content = virtual?.content?.toLowerCase() ?? ''
    // What a view shows may be of any table.
    if (!virtual || !(names.has(content) || (names.size > 0 && !ordinary.has(content)))) return []
    if (backup.has(name) && checkVirtual(db, name, virtual, 'bak') !== undefined) return [name]
    try {
      db.exec(rebuildStatement(name))
    } catch {
      return [name]
    }
    return checkVirtual(db, name, virtual) === undefined ? [] : [name]
  })
}

/** Of the backup what can't be merged row by row, where the target has not all of it. */
export function listUnmerged(db: DatabaseSync): UnmergedTable[] {
  const here = new Set(listStored(db).map(({ name }) => name))
  return listStored(db, 'bak').flatMap(({ name, virtual }): UnmergedTable[] => {
    if (virtual?.kind !== 'contentless' && virtual?.kind !== 'unknown') return []
    const missing = virtual.shadows.map(shadow => (here.has(shadow) ? countMissing(db, shadow) : countAll(db, shadow)))
    const rows = Math.max(0, ...missing)
    return rows === 0 && here.has(name) ? [] : [{ table: name, why: 'not-readable', rows }]
  })
}

function countAll(db: DatabaseSync, table: string): number {
  return Number(db.prepare(`SELECT count(*) AS n FROM bak.${quoteName(table)}`).get()?.['n'])
}

function countMissing(db: DatabaseSync, table: string): number {
  const name = quoteName(table)
  try {
    const row = db
      .prepare(`SELECT count(*) AS n FROM (SELECT * FROM bak.${name} EXCEPT SELECT * FROM main.${name})`)
      .get()
    return Number(row?.['n'])
  } catch {
    return countAll(db, table)
  }
}

/** Can rows be written, or does an index or a rule need a function or a collation that only the application has? */
export function isWritable(db: DatabaseSync, { sql, triggers }: TableDescription, backup: TableDescription): boolean {
  if (canInsert(db, sql)) return true
  if (triggers.length === 0) return false
  // A trigger may need it, and triggers are silenced. The backup is ours: without them it tells whether anything else does.
  for (const trigger of backup.triggers) db.exec(`DROP TRIGGER bak.${quoteName(trigger)}`)
  return canInsert(db, backup.sql)
}

function canInsert(db: DatabaseSync, table: string): boolean {
  try {
    db.prepare(`INSERT INTO ${table} DEFAULT VALUES`)
    return true
  } catch (error) {
    return !isUnevaluable(error)
  }
}
