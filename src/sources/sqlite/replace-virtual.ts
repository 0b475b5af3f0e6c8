import type { DatabaseSync } from 'node:sqlite'
import type { Finding } from '../../model/finding.ts'
import { countRows } from './describe-database.ts'
import type { Sides } from './replace-rows.ts'
import type { ReplacedTable } from './replaced-table.ts'
import { normalizeSql, quoteName } from './schema-text.ts'
import {
  checkVirtual,
  listStored,
  rebuildStatement,
  rowColumnsOf,
  type StoredTable,
  type VirtualTable,
} from './stored-tables.ts'

export type VirtualStored = StoredTable & { readonly virtual: VirtualTable }

/** Gives a virtual table the rows of the backup, each kind in its own way. Indexes over other tables: `renewIndexes`. */
export function replaceVirtual(
  sides: Sides,
  table: VirtualStored,
  here: StoredTable | undefined,
): ReplacedTable | undefined {
  const { db, backup, findings } = sides
  const { name, virtual } = table
  const same = here?.virtual !== undefined && normalizeSql(here.virtual.sql) === normalizeSql(virtual.sql)
  if (virtual.kind === 'derived') return undefined
  if (here === undefined) create(sides, table)
  if (virtual.kind === 'external') return undefined
  const asRows = virtual.kind === 'search' || virtual.kind === 'tables'
  if (here !== undefined && (asRows ? here.virtual?.kind !== virtual.kind : !same)) {
    findings.push(otherKind(name))
    return undefined
  }
  const rowsBefore = here === undefined ? 0 : count(db, table)
  if (asRows && !HIDDEN_VALUES.test(virtual.sql)) copyRows(sides, table)
  else copyShadows(sides, virtual.shadows)
  const [rowsWanted, rows] = [count(backup, table), count(db, table)]
  check(sides, table)
  return { name, created: here === undefined, rowsBefore, rowsWanted, rows, defaulted: [], leftOut: [] }
}

/** Options by which a search index keeps more of a row than its columns show. */
const HIDDEN_VALUES = /[(,]\s*(?:languageid|locale)\s*=/i

/** Of kinds whose rows SQLite can't count, those of the tables behind. */
function count(db: DatabaseSync, { name, virtual }: VirtualStored): number {
  if (virtual.kind === 'search' || virtual.kind === 'tables') return countRows(db, name)
  return virtual.shadows.reduce((sum, shadow) => sum + countRows(db, shadow), 0)
}

function create({ db, backup }: Sides, { name, virtual }: VirtualStored): void {
  if (virtual.kind !== 'unknown') return db.exec(virtual.sql)
  // As the module would: the tables behind it, and the virtual table itself as a line of the schema only.
  for (const shadow of virtual.shadows) {
    const sql = backup.prepare('SELECT sql FROM main.sqlite_schema WHERE name = ?').get(shadow)?.['sql']
    const there = db.prepare('SELECT 1 FROM main.sqlite_schema WHERE name = ?').get(shadow)
    if (typeof sql === 'string' && there === undefined) db.exec(sql)
  }
  db.exec('PRAGMA writable_schema = ON')
  db.prepare("INSERT INTO main.sqlite_schema VALUES ('table', ?, ?, 0, ?)").run(name, name, virtual.sql)
  db.exec('PRAGMA writable_schema = RESET')
}

function copyRows({ db, backup, findings }: Sides, table: VirtualStored): void {
  const { name, virtual } = table
  const there = rowColumnsOf(backup, table)
  const here = new Set(rowColumnsOf(db, table))
  const missing = there.filter(column => !here.has(column))
  const columns = there.filter(column => here.has(column)).map(quoteName)
  const quoted = quoteName(name)
  if (checkVirtual(db, name, virtual) === undefined) db.exec(`DELETE FROM main.${quoted}`)
  else makeAnew(db, name)
  db.exec(`INSERT INTO main.${quoted} (${columns.join(', ')}) SELECT ${columns.join(', ')} FROM backup.${quoted}`)
  for (const column of missing) findings.push(left(`${name}.${column}`, 'is only in the snapshot: left out'))
}

/** From a damaged one its module can't even remove rows. */
function makeAnew(db: DatabaseSync, name: string): void {
  const sql = db.prepare('SELECT sql FROM main.sqlite_schema WHERE name = ?').get(name)?.['sql']
  db.exec(`DROP TABLE main.${quoteName(name)}`)
  db.exec(String(sql))
}

/** Before anything asks the module, which may keep in memory what it read of them. */
function copyShadows({ db, backup }: Sides, shadows: readonly string[]): void {
  for (const shadow of listStored(backup).filter(({ name }) => shadows.includes(name))) {
    const columns = rowColumnsOf(backup, shadow).map(quoteName).join(', ')
    const quoted = quoteName(shadow.name)
    db.exec(`DELETE FROM main.${quoted}`)
    if (columns !== '') {
      db.exec(`INSERT INTO main.${quoted} (${columns}) SELECT ${columns} FROM backup.${quoted}`)
    }
  }
}

/**
 * Brings search indexes in line with the tables that they are of. One that held what its table holds is built again; one
 * that did not, because the application indexes a part only, comes back as it was captured with the rows that it is of.
 */
export function renewIndexes(
  sides: Sides,
  here: readonly StoredTable[],
  backup: ReadonlyMap<string, StoredTable>,
  replaced: ReadonlySet<string>,
): void {
  const ordinary = new Set(here.filter(({ virtual }) => virtual === undefined).map(({ name }) => name.toLowerCase()))
  for (const table of here) {
    if (!isVirtual(table) || table.virtual.kind !== 'external') continue
    const content = (table.virtual.content ?? '').toLowerCase()
    // What a view shows may be of any table.
    if (!replaced.has(table.name.toLowerCase()) && !replaced.has(content) && ordinary.has(content)) continue
    const then = backup.get(table.name)
    const partial =
      then?.virtual !== undefined && checkVirtual(sides.db, table.name, then.virtual, 'backup') !== undefined
    const same = then?.virtual !== undefined && normalizeSql(then.virtual.sql) === normalizeSql(table.virtual.sql)
    if (partial && same && replaced.has(content)) copyShadows(sides, then.virtual.shadows)
    else renew(sides, table, partial)
  }
}

function renew(sides: Sides, table: VirtualStored, partial: boolean): void {
  if (partial) {
    sides.findings.push(notRenewed(table.name, 'it does not hold all rows of its table'))
    return
  }
  try {
    sides.db.exec(rebuildStatement(table.name))
    check(sides, table)
  } catch (error) {
    sides.findings.push(notRenewed(table.name, error instanceof Error ? error.message : String(error)))
  }
}

function check({ db, findings }: Sides, { name, virtual }: VirtualStored): void {
  const problem = checkVirtual(db, name, virtual)
  if (problem !== undefined) findings.push(notRenewed(name, problem))
}

export function isVirtual(table: StoredTable): table is VirtualStored {
  return table.virtual !== undefined
}

function notRenewed(name: string, why: string): Finding {
  return {
    severity: 'warning',
    code: 'search-index-outdated',
    subject: `table ${name}`,
    message: `this index may not agree with the rows that came back: ${why}`,
    hint: `Let the application fill it, or build it from all rows: ${rebuildStatement(name, 'main')};`,
  }
}

function otherKind(name: string): Finding {
  return {
    severity: 'warning',
    code: 'table-not-restored',
    subject: `table ${name}`,
    message: 'it was left as it is: it is another kind of table than in the snapshot',
    hint: 'Drop it, then restore it again; or restore the whole database with --to PATH to look at it.',
  }
}

function left(subject: string, message: string): Finding {
  return { severity: 'warning', code: 'schema-differs', subject, message }
}
