import type { DatabaseSync } from 'node:sqlite'
import type { ManifestColumn, ManifestTable } from '../../model/manifest.ts'
import { isUnevaluable } from './integrity.ts'
import { fingerprintSchema, quoteName, quoteText, type SchemaObject } from './schema-text.ts'
import type { Description } from './session-protocol.ts'
import { holdsRows, listStored } from './stored-tables.ts'
import { readColumns } from './table-shape.ts'

export interface DescribeOptions {
  readonly countRows: boolean
  /** `foreign_key_check` reads every row of every child table. */
  readonly countViolations: boolean
}

/** What the manifest says of a database, read in the transaction that is open. */
export function describeDatabase(db: DatabaseSync, options: DescribeOptions): Description {
  const tables: ManifestTable[] = []
  const unreadable: Array<{ name: string; message: string }> = []
  for (const name of options.countRows ? listTables(db) : []) {
    try {
      tables.push({ name, rows: countRows(db, name), columns: describeColumns(db, name) })
    } catch (error) {
      unreadable.push({ name, message: error instanceof Error ? error.message : String(error) })
    }
  }
  const userVersion = pragma(db, 'user_version')
  const properties = {
    journalMode: pragma(db, 'journal_mode'),
    pageSizeBytes: pragma(db, 'page_size'),
    pageCount: pragma(db, 'page_count'),
    freePages: pragma(db, 'freelist_count'),
    encoding: pragma(db, 'encoding'),
    autoVacuum: pragma(db, 'auto_vacuum'),
    userVersion,
    applicationId: pragma(db, 'application_id'),
    foreignKeyViolations: options.countViolations ? countViolations(db) : null,
  }
  const schemaVersion = findMigration(db) ?? (userVersion === 0 ? undefined : String(userVersion))
  return { tables, unreadable, properties, schemaVersion, schemaFingerprint: fingerprintSchema(readSchema(db)) }
}

/** Tables whose rows are data, by name: not views, not indexes over other tables and what is behind them, not SQLite's own. */
function listTables(db: DatabaseSync): string[] {
  return listStored(db)
    .filter(table => table.type === 'table' || holdsRows(table))
    .map(table => table.name)
}

/** Generated and hidden columns too: they are part of what an application relies on. */
function describeColumns(db: DatabaseSync, table: string): ManifestColumn[] {
  return readColumns(db, table)
    .filter(({ kind }) => kind !== 'hidden')
    .map(({ name, type, notNull, keyAt }) => ({
      name,
      type,
      ...(notNull ? { notNull } : {}),
      ...(keyAt > 0 ? { key: true } : {}),
    }))
}

export function readSchema(db: DatabaseSync): SchemaObject[] {
  const rows = db
    .prepare(
      `SELECT type, name, tbl_name, sql FROM main.sqlite_schema
       WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid`,
    )
    .all()
  return rows.map(row => ({
    type: String(row['type']),
    name: String(row['name']),
    table: String(row['tbl_name']),
    sql: String(row['sql']),
  }))
}

/** Also where SQLite would count by an index that needs a collation of the application's own. */
export function countRows(db: DatabaseSync, table: string): number {
  const count = (sql: string, ...values: string[]): number => Number(db.prepare(sql).get(...values)?.['n'])
  const from = `FROM main.${quoteName(table)}`
  try {
    return count(`SELECT count(*) AS n ${from}`)
  } catch (error) {
    if (!isUnevaluable(error)) throw error
  }
  try {
    return count(`SELECT count(*) AS n ${from} NOT INDEXED`)
  } catch (error) {
    if (!isUnevaluable(error)) throw error
  }
  // A table WITHOUT ROWID is an index itself, each cell of which is a row.
  return count("SELECT coalesce(sum(ncell), 0) AS n FROM dbstat WHERE schema = 'main' AND name = ?", table)
}

/** Undefined where it can't be told: a foreign key that names no table or column makes the check itself fail. */
export function countViolations(db: DatabaseSync): number | null {
  try {
    return Number(db.prepare('SELECT count(*) AS n FROM pragma_foreign_key_check').get()?.['n'])
  } catch {
    return null
  }
}

export function pragma(db: DatabaseSync, name: string): string | number {
  const value = Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]
  return typeof value === 'number' ? value : String(value)
}

/** Where tools for migrations keep the name of the last one. */
const MIGRATIONS: ReadonlyArray<{ readonly table: string; readonly column: string; readonly order: string }> = [
  { table: '_prisma_migrations', column: 'migration_name', order: 'finished_at' },
  { table: '__drizzle_migrations', column: 'hash', order: 'created_at' },
  { table: 'knex_migrations', column: 'name', order: 'id' },
  { table: 'kysely_migration', column: 'name', order: 'timestamp' },
  { table: 'django_migrations', column: 'name', order: 'id' },
  { table: 'alembic_version', column: 'version_num', order: 'rowid' },
  { table: 'schema_migrations', column: 'version', order: 'version' },
  { table: 'd1_migrations', column: 'name', order: 'id' },
]

function findMigration(db: DatabaseSync): string | undefined {
  for (const { table, column, order } of MIGRATIONS) {
    const there = db
      .prepare(`SELECT count(*) AS n FROM pragma_table_info(${quoteText(table)}) WHERE name IN (?, ?)`)
      .get(column, order)
    if (Number(there?.['n']) < new Set([column, order].filter(name => name !== 'rowid')).size) continue
    const row = db
      .prepare(`SELECT ${quoteName(column)} AS v FROM main.${quoteName(table)} ORDER BY ${order} DESC LIMIT 1`)
      .get()
    if (row?.['v'] != null) return `${table}: ${String(row['v'])}`
  }
  return undefined
}
