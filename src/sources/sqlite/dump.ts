import { DatabaseSync } from 'node:sqlite'
import { pragma, readSchema } from './describe-database.ts'
import { quoteName, quoteText, type SchemaObject } from './schema-text.ts'
import { listStored, rowColumnsOf } from './stored-tables.ts'

/** Text is handed on in pieces of about this size. */
const PIECE_BYTES = 1 << 20

/**
 * The schema as SQL text for an empty database. Virtual tables go straight into `sqlite_schema`, as the `sqlite3` shell
 * does it: their module need not be there, and the tables behind them are created like any other.
 */
export function* dumpSchema(db: DatabaseSync): Generator<Uint8Array> {
  const objects = readSchema(db)
  const tables = objects.filter(object => object.type === 'table')
  const lines = [
    `PRAGMA encoding = ${quoteText(String(pragma(db, 'encoding')))};`,
    `PRAGMA page_size = ${pragma(db, 'page_size')};`,
    `PRAGMA auto_vacuum = ${pragma(db, 'auto_vacuum')};`,
    'PRAGMA foreign_keys = OFF;',
    'BEGIN;',
    ...tables.map(table => (isVirtual(table) ? virtualTable(table) : `${table.sql};`)),
    ...emptyVirtualTables(tables),
    ...['index', 'view', 'trigger'].flatMap(type => objects.filter(o => o.type === type)).map(o => `${o.sql};`),
    `PRAGMA user_version = ${pragma(db, 'user_version')};`,
    `PRAGMA application_id = ${pragma(db, 'application_id')};`,
    'COMMIT;',
    ...(tables.some(isVirtual) ? ['PRAGMA writable_schema = RESET;'] : []),
  ]
  yield Buffer.from(`${lines.join('\n')}\n`)
}

/**
 * The rows as SQL text for a database that has the schema, in one transaction. Rowids are kept. Triggers are taken away
 * first and put back at the end: what they did is in the rows already. The tables behind virtual tables are replaced,
 * for a virtual table that was just created has put rows of its own into them.
 */
export function* dumpData(db: DatabaseSync): Generator<Uint8Array> {
  const triggers = readSchema(db).filter(object => object.type === 'trigger')
  const pieces = new Pieces()
  yield* pieces.add('PRAGMA foreign_keys = OFF;\nBEGIN;\n')
  for (const trigger of triggers) yield* pieces.add(`DROP TRIGGER IF EXISTS ${quoteName(trigger.name)};\n`)
  for (const table of listDumped(db)) {
    if (table.shadow) yield* pieces.add(`DELETE FROM ${quoteName(table.name)};\n`)
    yield* dumpRows(db, table, pieces)
  }
  yield* dumpStatistics(db, pieces)
  yield* dumpSequences(db, pieces)
  for (const trigger of triggers) yield* pieces.add(`${trigger.sql};\n`)
  yield* pieces.add('COMMIT;\n')
  yield* pieces.rest()
}

interface DumpedTable {
  readonly name: string
  readonly shadow: boolean
  readonly columns: readonly string[]
}

function listDumped(db: DatabaseSync): DumpedTable[] {
  return listStored(db)
    .filter(table => table.type !== 'virtual')
    .map(table => ({ name: table.name, shadow: table.type === 'shadow', columns: rowColumnsOf(db, table) }))
}

function* dumpRows(db: DatabaseSync, table: DumpedTable, pieces: Pieces): Generator<Uint8Array> {
  if (table.columns.length === 0) return
  const names = table.columns.map(quoteName)
  const values = concatenate(names.flatMap((name, i) => (i === 0 ? [literal(name)] : ["','", literal(name)])))
  // As bytes, because text in SQLite may be anything. UTF-16 must become UTF-8 on the way and so comes as text.
  const asBytes = pragma(db, 'encoding') === 'UTF-8'
  const select = db.prepare(`SELECT ${asBytes ? `CAST(${values} AS BLOB)` : values} FROM main.${quoteName(table.name)}`)
  select.setReturnArrays(true)
  const before = Buffer.from(`INSERT INTO ${quoteName(table.name)}(${names.join(',')}) VALUES(`)
  const after = Buffer.from(');\n')
  for (const row of select.iterate() as Iterable<unknown>) {
    const value = Array.isArray(row) ? (row[0] as unknown) : undefined
    yield* pieces.add(before)
    yield* pieces.add(value instanceof Uint8Array ? value : String(value))
    yield* pieces.add(after)
  }
}

/**
 * `quote()` ends a text at its first NUL, so such a text is given as bytes. The `sqlite3` shell drops a carriage return at
 * the end of a line, so it is written as `\r` and put back by the statement; where that stands in the text, bytes again.
 */
function literal(column: string): string {
  const mark = "'\\r'"
  return (
    `CASE WHEN typeof(${column}) != 'text' THEN quote(${column}) ` +
    `WHEN instr(${column}, char(0)) OR (instr(${column}, char(13)) AND instr(${column}, ${mark})) ` +
    `THEN 'CAST(X''' || hex(${column}) || ''' AS TEXT)' ` +
    `WHEN instr(${column}, char(13)) ` +
    `THEN 'replace(' || replace(quote(${column}), char(13), ${mark}) || ',''\\r'',char(13))' ` +
    `ELSE quote(${column}) END`
  )
}

/** `a || b || ...` as a balanced tree: SQLite allows 2000 columns, but expressions only 1000 deep. */
function concatenate(parts: readonly string[]): string {
  if (parts.length <= 1) return parts[0] ?? "''"
  const middle = parts.length >> 1
  return `(${concatenate(parts.slice(0, middle))} || ${concatenate(parts.slice(middle))})`
}

/** `sqlite_stat1`, without which the query planner of the copy chooses other ways. */
function* dumpStatistics(db: DatabaseSync, pieces: Pieces): Generator<Uint8Array> {
  if (!exists(db, 'sqlite_stat1')) return
  yield* pieces.add('ANALYZE sqlite_schema;\nDELETE FROM sqlite_stat1;\n')
  yield* dumpRows(db, { name: 'sqlite_stat1', shadow: false, columns: ['tbl', 'idx', 'stat'] }, pieces)
}

function* dumpSequences(db: DatabaseSync, pieces: Pieces): Generator<Uint8Array> {
  if (!exists(db, 'sqlite_sequence')) return
  for (const row of db.prepare('SELECT name, quote(name) AS n, quote(seq) AS s FROM sqlite_sequence').all()) {
    const [name, seq] = [String(row['n']), String(row['s'])]
    yield* pieces.add(`DELETE FROM sqlite_sequence WHERE name = ${name};\n`)
    yield* pieces.add(`INSERT INTO sqlite_sequence(name,seq) VALUES(${name},${seq});\n`)
  }
}

function exists(db: DatabaseSync, table: string): boolean {
  return db.prepare('SELECT 1 FROM main.sqlite_schema WHERE name = ?').get(table) !== undefined
}

function isVirtual(table: SchemaObject): boolean {
  return /^\s*CREATE\s+VIRTUAL\s+TABLE/i.test(table.sql)
}

function virtualTable(table: SchemaObject): string {
  const name = quoteText(table.name)
  return `PRAGMA writable_schema = ON;
INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table',${name},${name},0,${quoteText(table.sql)});
PRAGMA writable_schema = OFF;`
}

/**
 * Rows that a module puts into the tables behind an empty virtual table: without them fts5 takes the table for damaged.
 * A module that this SQLite does not have tells nothing.
 */
function emptyVirtualTables(tables: readonly SchemaObject[]): string[] {
  const names = new Set(tables.map(table => table.name))
  const empty = new DatabaseSync(':memory:')
  try {
    for (const table of tables.filter(isVirtual)) tryExec(empty, table.sql)
    const pieces = new Pieces()
    const shadows = listDumped(empty).filter(table => table.shadow && names.has(table.name))
    const rows = shadows.flatMap(table => [...dumpRows(empty, table, pieces)])
    const text = Buffer.concat([...rows, ...pieces.rest()])
      .toString()
      .trimEnd()
    return text === '' ? [] : [text]
  } finally {
    empty.close()
  }
}

function tryExec(db: DatabaseSync, sql: string): void {
  try {
    db.exec(sql)
  } catch {
    // Left as it is written: the schema can be kept without its module.
  }
}

/** Collects small texts into pieces worth sending. */
class Pieces {
  #parts: Uint8Array[]
  #bytes: number

  constructor() {
    this.#parts = []
    this.#bytes = 0
  }

  *add(text: string | Uint8Array): Generator<Uint8Array> {
    const part = typeof text === 'string' ? Buffer.from(text) : text
    this.#parts.push(part)
    this.#bytes += part.length
    if (this.#bytes >= PIECE_BYTES) yield* this.rest()
  }

  *rest(): Generator<Uint8Array> {
    if (this.#bytes > 0) yield Buffer.concat(this.#parts)
    this.#parts = []
    this.#bytes = 0
  }
}
