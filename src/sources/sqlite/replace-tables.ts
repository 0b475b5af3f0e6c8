import { DatabaseSync } from 'node:sqlite'
import type { ChangedTables } from '../target.ts'
import { changedTables, chooseTables, dropCreated } from './changed-tables.ts'
import { countViolations } from './describe-database.ts'
import { bringBackObjects, replaceRows, type Sides, setSequences } from './replace-rows.ts'
import { isVirtual, renewIndexes, replaceVirtual } from './replace-virtual.ts'
import type {
  BeginTablesAsk,
  ReplacedTable,
  ReplacedTables,
  ReplaceTablesAsk,
  TablesRefused,
} from './replaced-table.ts'
import { putTriggersAside, SchemaLines } from './schema-lines.ts'
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
export function replaceTables(db: DatabaseSync, ask: ReplaceTablesAsk): ReplacedTables | TablesRefused {
  try {
    return withBackup(ask, backup => inTransaction(db, () => replaceAll(db, backup, ask)))
  } finally {
    db.close()
  }
}

/** What `replaceTables` would change and make, asked in the transaction that was begun. */
export function announceTables(db: DatabaseSync, ask: ReplaceTablesAsk): ChangedTables | TablesRefused {
  return withBackup(ask, backup => {
    const known = listKnown(backup)
    const chosen = chooseTables(ask, known)
    if ('missing' in chosen) return notFound(chosen.missing, known)
    return changedTables(db, backup, chosen.tables, ask.takeAway ?? [])
  })
}

function withBackup<T>({ from }: ReplaceTablesAsk, work: (backup: DatabaseSync) => T): T {
  const backup = new DatabaseSync(from, { readOnly: true })
  try {
    return work(backup)
  } finally {
    backup.close()
  }
}

function listKnown(backup: DatabaseSync): StoredTable[] {
  return listStored(backup).filter(({ owner }) => owner === undefined)
}

function notFound(subject: string, known: readonly StoredTable[]): TablesRefused {
  return { refused: 'not-found', subject, known: known.map(each => each.name) }
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

function replaceAll(db: DatabaseSync, backup: DatabaseSync, ask: ReplaceTablesAsk): ReplacedTables {
  const known = listKnown(backup)
  const chosen = chooseTables(ask, known)
  if ('missing' in chosen) throw new Refused(notFound(chosen.missing, known))
  const allowed = violationsAllowed(db, backup, ask)
  dropCreated(db, ask.takeAway ?? [])
  const sides: Sides = { db, backup, findings: [], here: new SchemaLines(db), there: new SchemaLines(backup) }
  const tables = replaceEach(sides, chosen.tables)
  const replaced = new Set(chosen.tables.map(({ name }) => name.toLowerCase()))
  renewIndexes(sides, listStored(db), new Map(known.map(table => [table.name, table])), replaced)
  const violations = countViolations(db)
  if (violations !== null && violations > allowed) {
    throw new Refused({ refused: 'foreign-keys', subject: firstViolation(db), known: [] })
  }
  return { tables, findings: sides.findings }
}

/** Triggers do not fire meanwhile. */
function replaceEach(sides: Sides, chosen: readonly StoredTable[]): ReplacedTable[] {
  const { db } = sides
  const here = new Map(listStored(db).map(table => [table.name, table]))
  const putBack = chosen.length === 0 ? undefined : putTriggersAside(db)
  const replaced = chosen.flatMap(
    table =>
      (isVirtual(table)
        ? replaceVirtual(sides, table, here.get(table.name))
        : replaceRows(sides, table, here.get(table.name))) ?? [],
  )
  putBack?.()
  const ordinary = chosen.filter(table => !isVirtual(table)).map(({ name }) => name)
  for (const name of ordinary) bringBackObjects(sides, name)
  setSequences(db, ordinary)
  return replaced
}

/** Foreign keys may be as broken as they were; taken back, as they had been, which the backup then says. */
function violationsAllowed(db: DatabaseSync, backup: DatabaseSync, { tables, takeAway }: ReplaceTablesAsk): number {
  const before = countViolations(db) ?? Number.POSITIVE_INFINITY
  if (takeAway === undefined) return before
  // Only drops: what refers to that was so before, or can't be told from what was.
  return tables.length === 0 ? Number.POSITIVE_INFINITY : Math.max(before, countViolations(backup) ?? before)
}

function firstViolation(db: DatabaseSync): string {
  const row = db.prepare('SELECT "table" AS child, parent, rowid AS row FROM pragma_foreign_key_check LIMIT 1').get()
  return `${String(row?.['child'])} -> ${String(row?.['parent'])}`
}
