import { DatabaseSync } from 'node:sqlite'
import { countViolations } from './describe-database.ts'
import { replaceRows, type Sides } from './replace-rows.ts'
import { isVirtual, renewIndexes, replaceVirtual } from './replace-virtual.ts'
import type {
  BeginTablesAsk,
  ReplacedTable,
  ReplacedTables,
  ReplaceTablesAsk,
  TablesRefused,
} from './replaced-table.ts'
import { listStored, type StoredTable } from './stored-tables.ts'

/** Opens both, and begins the transaction: other programs may have the living one open, and read it, but not write. */
export function beginTables({ path, from, waitMs }: BeginTablesAsk): DatabaseSync {
  // Foreign keys are looked at as a whole in the end: rows that others refer to go and come back.
  const db = new DatabaseSync(path, { enableForeignKeyConstraints: false, defensive: false, timeout: waitMs })
  try {
    db.prepare('ATTACH ? AS backup').run(from)
    db.exec('BEGIN IMMEDIATE')
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/**
 * Gives tables of a living database the rows of another one, in the transaction that was begun: all of it happens, or
 * nothing. Tables that are there keep their columns; indexes and triggers that are gone come back.
 * Triggers do not fire; search indexes over the tables are brought in line. Foreign keys that were whole before have to be
 * whole after.
 */
export function replaceTables(db: DatabaseSync, { from, tables }: ReplaceTablesAsk): ReplacedTables | TablesRefused {
  try {
    const backup = new DatabaseSync(from, { readOnly: true })
    try {
      return inTransaction(db, () => replaceAll({ db, backup, findings: [] }, tables))
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

function inTransaction(db: DatabaseSync, work: () => ReplacedTables): ReplacedTables | TablesRefused {
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

function replaceAll(sides: Sides, wanted: readonly string[]): ReplacedTables {
  const { db, backup, findings } = sides
  const known = listStored(backup).filter(({ owner }) => owner === undefined)
  const chosen = wanted.length === 0 ? known : wanted.map(name => findTable(name, known))
  const violationsBefore = countViolations(db)
  const there = new Map(listStored(db).map(table => [table.name, table]))
  const tables: ReplacedTable[] = []
  for (const table of chosen) {
    const done = isVirtual(table)
      ? replaceVirtual(sides, table, there.get(table.name))
      : replaceRows(sides, table.name, there.has(table.name))
    if (done !== undefined) tables.push(done)
  }
  const replaced = new Set(chosen.map(({ name }) => name.toLowerCase()))
  renewIndexes(sides, listStored(db), new Map(known.map(table => [table.name, table])), replaced)
  const violations = countViolations(db)
  if (violationsBefore !== null && violations !== null && violations > violationsBefore) {
    throw new Refused({ refused: 'foreign-keys', subject: firstViolation(db), known: [] })
  }
  return { tables, findings }
}

/** SQLite's own names know no case. */
function findTable(name: string, known: readonly StoredTable[]): StoredTable {
  const plain = name.replace(/^main\./i, '')
  const found =
    known.find(each => each.name === plain) ?? known.find(each => each.name.toLowerCase() === plain.toLowerCase())
  if (found !== undefined) return found
  throw new Refused({ refused: 'not-found', subject: name, known: known.map(each => each.name) })
}

function firstViolation(db: DatabaseSync): string {
  const row = db.prepare('SELECT "table" AS child, parent, rowid AS row FROM pragma_foreign_key_check LIMIT 1').get()
  return `${String(row?.['child'])} -> ${String(row?.['parent'])}`
}
