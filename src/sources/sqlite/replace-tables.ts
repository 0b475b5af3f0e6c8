import { DatabaseSync } from 'node:sqlite'
import { countRows, countViolations, listTables, readColumns } from './describe-database.ts'
import type { ReplacedTable, ReplaceTablesAsk, TablesRefused } from './replaced-table.ts'
import { quoteName, quoteText } from './schema-text.ts'

/**
 * Gives tables of a living database the rows of another one, in one transaction: all of it happens, or nothing. Other
 * programs may have it open. Tables that are there keep their columns; indexes and triggers that are gone come back.
 * Triggers do not fire. Foreign keys that were whole before have to be whole after.
 */
export function replaceTables({ path, from, tables, waitMs }: ReplaceTablesAsk): ReplacedTable[] | TablesRefused {
  // Foreign keys are looked at as a whole in the end: rows that others refer to go and come back.
  const db = new DatabaseSync(path, { enableForeignKeyConstraints: false, defensive: false, timeout: waitMs })
  try {
    db.prepare('ATTACH ? AS backup').run(from)
    const backup = new DatabaseSync(from, { readOnly: true })
    try {
      return inTransaction(db, () => replaceAll(db, backup, tables))
    } finally {
      backup.close()
    }
  } finally {
    db.close()
  }
}

class Refused extends Error {
  readonly why: TablesRefused

  constructor(why: TablesRefused) {
    super(why.refused)
    this.why = why
  }
}

function inTransaction(db: DatabaseSync, work: () => ReplacedTable[]): ReplacedTable[] | TablesRefused {
  db.exec('BEGIN IMMEDIATE')
  try {
    const replaced = work()
    db.exec('COMMIT')
    return replaced
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    if (error instanceof Refused) return error.why
    throw error
  }
}

function replaceAll(db: DatabaseSync, backup: DatabaseSync, wanted: readonly string[]): ReplacedTable[] {
  const known = listTables(backup)
  const names = wanted.length === 0 ? known : wanted.map(name => findTable(name, known))
  const violationsBefore = countViolations(db)
  const there = new Set(listTables(db))
  const replaced = names.map(name => replaceOne(db, backup, name, there.has(name)))
  const violations = countViolations(db)
  if (violationsBefore !== null && violations !== null && violations > violationsBefore) {
    throw new Refused({ refused: 'foreign-keys', subject: firstViolation(db), known: [] })
  }
  return replaced
}

/** SQLite's own names know no case. */
function findTable(name: string, known: readonly string[]): string {
  const plain = name.replace(/^main\./i, '')
  const found = known.find(each => each === plain) ?? known.find(each => each.toLowerCase() === plain.toLowerCase())
  if (found === undefined) throw new Refused({ refused: 'not-found', subject: name, known })
  return found
}

function replaceOne(db: DatabaseSync, backup: DatabaseSync, name: string, exists: boolean): ReplacedTable {
  const rowsBefore = exists ? countRows(db, name) : 0
  if (!exists) for (const sql of objectsOf(backup, name, ['table'])) db.exec(sql)
  const triggers = takeTriggers(db, name)
  const { common, defaulted, leftOut } = matchColumns(db, backup, name)
  const columns = [...(keepsRowId(db, backup, name) ? ['rowid'] : []), ...common.map(quoteName)].join(', ')
  db.exec(`DELETE FROM main.${quoteName(name)}`)
  db.exec(`INSERT INTO main.${quoteName(name)} (${columns}) SELECT ${columns} FROM backup.${quoteName(name)}`)
  for (const sql of triggers) db.exec(sql)
  bringBackObjects(db, backup, name)
  setSequence(db, name)
  const rowsWanted = countRows(backup, name)
  return { name, created: !exists, rowsBefore, rowsWanted, rows: countRows(db, name), defaulted, leftOut }
}

function matchColumns(db: DatabaseSync, backup: DatabaseSync, name: string) {
  const storedIn = (database: DatabaseSync): string[] =>
    database
      .prepare('SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid')
      .all(name)
      .map(row => String(row['name']))
  const [here, there] = [storedIn(db), storedIn(backup)]
  return {
    common: here.filter(column => there.includes(column)),
    defaulted: here.filter(column => !there.includes(column)),
    leftOut: there.filter(column => !here.includes(column)),
  }
}

/** What refers to a row by its hidden number (a full-text index, for one) still does afterwards. */
function keepsRowId(db: DatabaseSync, backup: DatabaseSync, name: string): boolean {
  return [db, backup].every(database => {
    const kind = database.prepare('SELECT wr FROM pragma_table_list WHERE schema = ? AND name = ?').get('main', name)
    const named = readColumns(database, name).some(column => column.name.toLowerCase() === 'rowid')
    const alias = readColumns(database, name).some(column => column.key === true && /^integer$/i.test(column.type))
    return Number(kind?.['wr']) === 0 && !named && !alias
  })
}

function objectsOf(db: DatabaseSync, table: string, types: readonly string[]): string[] {
  const list = types.map(quoteText).join(', ')
  const rows = db
    .prepare(
      `SELECT sql FROM main.sqlite_schema WHERE tbl_name = ? AND sql IS NOT NULL AND type IN (${list}) ORDER BY rowid`,
    )
    .all(table)
  return rows.map(row => String(row['sql']))
}

/** SQLite has no switch for triggers: they are put aside, and come back as they were. */
function takeTriggers(db: DatabaseSync, table: string): string[] {
  const sql = objectsOf(db, table, ['trigger'])
  const rows = db.prepare("SELECT name FROM main.sqlite_schema WHERE tbl_name = ? AND type = 'trigger'").all(table)
  for (const row of rows) db.exec(`DROP TRIGGER main.${quoteName(String(row['name']))}`)
  return sql
}

function bringBackObjects(db: DatabaseSync, backup: DatabaseSync, table: string): void {
  const rows = backup
    .prepare(
      `SELECT name, sql FROM main.sqlite_schema
       WHERE tbl_name = ? AND sql IS NOT NULL AND type IN ('index', 'trigger') ORDER BY rowid`,
    )
    .all(table)
  for (const row of rows) {
    const there = db.prepare('SELECT 1 FROM main.sqlite_schema WHERE name = ?').get(String(row['name']))
    if (there === undefined) db.exec(String(row['sql']))
  }
}

/** A number that AUTOINCREMENT gave once must not be given again: the higher of both counts. */
function setSequence(db: DatabaseSync, name: string): void {
  const counts = (schema: string): boolean =>
    db.prepare(`SELECT 1 FROM ${schema}.sqlite_schema WHERE name = 'sqlite_sequence'`).get() !== undefined
  if (!counts('main') || !counts('backup')) return
  const seq = db.prepare('SELECT seq FROM backup.sqlite_sequence WHERE name = ?').get(name)?.['seq']
  if (seq === undefined || seq === null) return
  db.prepare('UPDATE main.sqlite_sequence SET seq = max(seq, ?) WHERE name = ?').run(Number(seq), name)
}

function firstViolation(db: DatabaseSync): string {
  const row = db.prepare('SELECT "table" AS child, parent, rowid AS row FROM pragma_foreign_key_check LIMIT 1').get()
  return `${String(row?.['child'])} -> ${String(row?.['parent'])}`
}
