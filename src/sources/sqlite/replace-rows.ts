import type { DatabaseSync } from 'node:sqlite'
import type { Finding } from '../../model/finding.ts'
import { countRows } from './describe-database.ts'
import { isUnevaluable } from './integrity.ts'
import type { ReplacedTable } from './replaced-table.ts'
import type { SchemaLines } from './schema-lines.ts'
import { normalizeSql, quoteName } from './schema-text.ts'
import { hiddenRowidOf, type StoredTable } from './stored-tables.ts'
import { writableColumns } from './table-shape.ts'

/** Both sides of a replacement: one connection to the living database with the backup attached, one to the backup alone. */
export interface Sides {
  readonly db: DatabaseSync
  readonly backup: DatabaseSync
  readonly findings: Finding[]
  /** Of the living database before anything was changed. */
  readonly here: SchemaLines
  readonly there: SchemaLines
}

/** Gives an ordinary table the rows of the backup. `here`: as it is in the living database. Triggers are put aside before. */
export function replaceRows(sides: Sides, table: StoredTable, here: StoredTable | undefined): ReplacedTable {
  const { db, backup } = sides
  const { name } = table
  const exists = here !== undefined
  const rowsBefore = exists ? countRows(db, name) : 0
  if (!exists) for (const { sql } of sides.there.of(name, 'table')) db.exec(sql)
  const { common, defaulted, leftOut } = matchColumns(db, backup, name)
  fill(sides, name, common, commonRowid(sides, table, here ?? table))
  const rowsWanted = countRows(backup, name)
  return { name, created: !exists, rowsBefore, rowsWanted, rows: countRows(db, name), defaulted, leftOut }
}

/**
 * Record by record where both tables have one definition: rows that break a rule of their table, or that only the
 * application can compute (indexes included), come back as they were captured. Else by column, held to the living table's
 * rules. An index that can't be kept up without the application is given up: better found to be missing than wrong.
 */
function fill(sides: Sides, name: string, common: readonly string[], rowid: string | undefined): void {
  const { db, here, there } = sides
  const now = definitionIn(here, name)
  const same = now === '' || now === definitionIn(there, name)
  const columns = [...(rowid === undefined ? [] : [rowid]), ...common.map(quoteName)].join(', ')
  const quoted = quoteName(name)
  const byColumn = `INSERT INTO main.${quoted} (${columns}) SELECT ${columns} FROM backup.${quoted}`
  db.exec(`DELETE FROM main.${quoted}`)
  const byRecord = `INSERT INTO main.${quoted} SELECT * FROM backup.${quoted}`
  if (same && copiesRecords(db, byRecord, rowid !== undefined)) return db.exec(byRecord)
  if (same) db.exec('PRAGMA ignore_check_constraints = ON')
  try {
    db.exec(byColumn)
  } catch (error) {
    if (!isUnevaluable(error)) throw error
    giveUpIndexes(sides, name, byColumn)
    db.exec(same && copiesRecords(db, byRecord, rowid !== undefined) ? byRecord : byColumn)
  } finally {
    db.exec('PRAGMA ignore_check_constraints = OFF')
  }
}

function definitionIn(lines: SchemaLines, name: string): string {
  return lines
    .of(name, 'table')
    .map(({ sql }) => normalizeSql(sql))
    .join()
}

/**
 * SQLite copies records as they are where it can: `RowCell` and `RowData` are only in such programs. Rows of a table without
 * any index would be numbered anew.
 *
 * @see https://www.sqlite.org/src/file/src/insert.c (xferOptimization)
 */
function copiesRecords(db: DatabaseSync, sql: string, hidesRowid: boolean): boolean {
  try {
    const steps = db.prepare(`EXPLAIN ${sql}`).all()
    const has = (...names: string[]): boolean => steps.some(step => names.includes(String(step['opcode'])))
    return has('RowCell', 'RowData') && !(hidesRowid && has('NewRowid') && !has('MakeRecord'))
  } catch {
    return false
  }
}

function giveUpIndexes({ db, here, findings }: Sides, name: string, insert: string): void {
  const indexes = here.of(name, 'index')
  for (const index of indexes) {
    if (isPossible(db, insert)) return
    db.exec(`DROP INDEX main.${quoteName(index.name)}`)
    if (!isPossible(db, insert) && bringsBack(db, index.sql)) continue
    findings.push(indexGone(index.name, name, index.sql))
  }
}

function isPossible(db: DatabaseSync, sql: string): boolean {
  try {
    db.prepare(sql)
    return true
  } catch {
    return false
  }
}

function bringsBack(db: DatabaseSync, sql: string): boolean {
  try {
    db.exec(sql)
    return true
  } catch {
    return false
  }
}

function indexGone(index: string, table: string, sql: string): Finding {
  return {
    severity: 'warning',
    code: 'index-not-restored',
    subject: `index ${index}`,
    message: `table ${table} is without this index: it needs what only the application has, or its rows break it`,
    hint: `Let the application make it again: ${sql}`,
  }
}

function matchColumns(db: DatabaseSync, backup: DatabaseSync, name: string) {
  const [here, there] = [writableColumns(db, name), writableColumns(backup, name)]
  const [inHere, inThere] = [new Set(here), new Set(there)]
  return {
    common: here.filter(column => inThere.has(column)),
    defaulted: here.filter(column => !inThere.has(column)),
    leftOut: there.filter(column => !inHere.has(column)),
  }
}

/** What refers to a row by its hidden number (a full-text index, for one) still does afterwards. */
function commonRowid({ db, backup }: Sides, table: StoredTable, here: StoredTable): string | undefined {
  const rowid = hiddenRowidOf(backup, table)
  return rowid === hiddenRowidOf(db, here) ? rowid : undefined
}

/** Indexes and triggers that are gone. When the triggers that are there are back. */
export function bringBackObjects({ db, here, there, findings }: Sides, table: string): void {
  const given = new Set(findings.map(finding => finding.subject))
  for (const { name, sql } of there.of(table, 'index', 'trigger')) {
    if (here.names.has(name) || given.has(`index ${name}`)) continue
    if (!bringsBack(db, sql)) findings.push(indexGone(name, table, sql))
  }
}

/** A number that AUTOINCREMENT gave once must not be given again: the higher of both counts. */
export function setSequences(db: DatabaseSync, tables: readonly string[]): void {
  const counts = (schema: string): boolean =>
    db.prepare(`SELECT 1 FROM ${schema}.sqlite_schema WHERE name = 'sqlite_sequence'`).get() !== undefined
  if (!counts('main') || !counts('backup')) return
  db.prepare(
    `UPDATE main.sqlite_sequence AS m SET seq = max(m.seq, b.seq) FROM backup.sqlite_sequence AS b
     WHERE b.name = m.name AND b.seq IS NOT NULL AND m.name IN (SELECT value FROM json_each(?))`,
  ).run(JSON.stringify(tables))
}
