import type { DatabaseSync } from 'node:sqlite'
import type { MaskableColumn, MaskableForeignKey, MaskableTable } from '../../../model/masking/maskable.ts'
import { quoteText } from '../schema-text.ts'
import { columnRows, listStored } from '../stored-tables.ts'

/** What a mask can name: tables, and virtual tables that have columns of their own. */
export function readMaskable(db: DatabaseSync): MaskableTable[] {
  return listStored(db)
    .filter(table => table.type === 'table' || (table.virtual && !['unknown', 'derived'].includes(table.virtual.kind)))
    .map(table => readTable(db, table.name, table.type === 'virtual'))
}

function readTable(db: DatabaseSync, name: string, virtual: boolean): MaskableTable {
  const strict = Number(db.prepare('SELECT strict FROM pragma_table_list WHERE name = ?').get(name)?.['strict']) === 1
  const folded = foldedColumns(db, name)
  const columns = columnRows(db, name)
    // Hidden columns of a virtual table are its commands.
    .filter(row => !virtual || Number(row['hidden']) === 0)
    .map(row => toColumn(row, strict, folded))
  return {
    key: name,
    schema: undefined,
    name,
    columns,
    unique: virtual ? [] : uniqueOf(db, name),
    foreignKeys: virtual ? [] : foreignKeysOf(db, name),
    parents: [],
  }
}

function toColumn(row: Record<string, unknown>, strict: boolean, folded: ReadonlySet<string>): MaskableColumn {
  const name = String(row['name'])
  const typeName = String(row['type'])
  const limit = /^(?:n?(?:var)?char|nvarchar|varying character|native character|character|nchar)\s*\((\d+)\)/i.exec(
    typeName,
  )
  return {
    name,
    type: strict ? strictType(typeName) : 'any',
    typeName: typeName || 'no type',
    maxChars: limit ? Number(limit[1]) : undefined,
    notNull: Number(row['notnull']) === 1 || Number(row['pk']) > 0,
    generated: Number(row['hidden']) > 1,
    caseInsensitive: folded.has(name),
  }
}

function strictType(typeName: string): MaskableColumn['type'] {
  switch (typeName.toUpperCase()) {
    case 'INT':
    case 'INTEGER':
      return 'integer'
    case 'REAL':
      return 'decimal'
    case 'TEXT':
      return 'text'
    case 'BLOB':
      return 'bytes'
    default:
      return 'any'
  }
}

/** Columns that an index compares without regard to case. */
function foldedColumns(db: DatabaseSync, table: string): Set<string> {
  const rows = db
    .prepare(
      `SELECT x.name AS name FROM pragma_index_list(${quoteText(table)}) AS l, pragma_index_xinfo(l.name) AS x
       WHERE x.coll = 'NOCASE' AND x.name IS NOT NULL`,
    )
    .all()
  return new Set(rows.map(row => String(row['name'])))
}

function uniqueOf(db: DatabaseSync, table: string): Array<{ name: string; columns: string[] }> {
  const found = new Map<string, string[]>()
  const rows = db
    .prepare(
      `SELECT l.name AS name, x.name AS col FROM pragma_index_list(${quoteText(table)}) AS l, pragma_index_info(l.name) AS x
       WHERE l."unique" = 1 ORDER BY l.seq, x.seqno`,
    )
    .all()
  for (const row of rows) {
    const columns = found.get(String(row['name'])) ?? []
    found.set(String(row['name']), columns)
    if (row['col'] !== null) columns.push(String(row['col']))
  }
  const key = columnRows(db, table).filter(row => Number(row['pk']) > 0)
  // An INTEGER PRIMARY KEY is the rowid, and has no index.
  const named = [...found].map(([name, columns]) => ({ name, columns }))
  const [only] = key
  if (key.length !== 1 || named.some(each => each.columns.length === 1 && each.columns[0] === only?.['name']))
    return named
  return [...named, { name: 'PRIMARY KEY', columns: [String(only?.['name'])] }]
}

function foreignKeysOf(db: DatabaseSync, table: string): MaskableForeignKey[] {
  const found = new Map<number, MaskableForeignKey & { columns: string[]; refColumns: string[] }>()
  for (const row of db.prepare(`SELECT * FROM pragma_foreign_key_list(${quoteText(table)}) ORDER BY id, seq`).all()) {
    const id = Number(row['id'])
    const target = realName(db, String(row['table']))
    const key = found.get(id) ?? { name: '', columns: [], table: target, refColumns: [] }
    const seq = key.columns.length
    const to = row['to'] === null ? primaryKey(db, target)[seq] : realColumn(db, target, String(row['to']))
    key.columns.push(realColumn(db, table, String(row['from'])))
    key.refColumns.push(to ?? '')
    found.set(id, { ...key, name: `(${key.columns.join(', ')}) REFERENCES ${target}` })
  }
  return [...found.values()]
}

/** SQLite's names are equal in any case; the plan compares them as they are. */
function realName(db: DatabaseSync, name: string): string {
  const row = db.prepare('SELECT name FROM main.sqlite_schema WHERE name = ? COLLATE NOCASE').get(name)
  return row === undefined ? name : String(row['name'])
}

function realColumn(db: DatabaseSync, table: string, name: string): string {
  const names = columnRows(db, table).map(row => String(row['name']))
  return names.find(each => each.toLowerCase() === name.toLowerCase()) ?? name
}

function primaryKey(db: DatabaseSync, table: string): string[] {
  return columnRows(db, table)
    .filter(row => Number(row['pk']) > 0)
    .toSorted((a, b) => Number(a['pk']) - Number(b['pk']))
    .map(row => String(row['name']))
}
