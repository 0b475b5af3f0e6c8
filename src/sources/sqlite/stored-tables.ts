import type { DatabaseSync } from 'node:sqlite'
import { quoteName } from './schema-text.ts'
import { readColumns, readIndexes, rowidAliasOf, writableColumns } from './table-shape.ts'

/** How a virtual table keeps its rows, which decides how they are counted, copied, merged and checked. */
export type VirtualKind =
  /** A search index with a copy of its text: its rows are data. */
  | 'search'
  /** A search index over the rows of another table: it is built again from those. */
  | 'external'
  /** A search index without the text: data that can't be read as rows, only copied with the tables behind it. */
  | 'contentless'
  /** R-trees and what else keeps its rows in tables of its own: its rows are data. */
  | 'tables'
  /** It shows what others keep (`fts5vocab`, `dbstat`) and holds nothing. */
  | 'derived'
  /** Its module or tokenizer is not in this SQLite: data, in tables behind it that only the application understands. */
  | 'unknown'

export interface VirtualTable {
  readonly kind: VirtualKind
  /** In lower case. */
  readonly module: string
  readonly sql: string
  /** The table that an `external` index is of. */
  readonly content: string | undefined
  /** The tables behind it. */
  readonly shadows: readonly string[]
}

export interface StoredTable {
  readonly name: string
  readonly type: 'table' | 'virtual' | 'shadow'
  readonly withoutRowid: boolean
  readonly strict: boolean
  /** Its statement. */
  readonly sql: string
  readonly virtual: VirtualTable | undefined
  /** The virtual table that it is behind. For an unknown module that is guessed by the name. */
  readonly owner: string | undefined
}

/** Every table that is stored, without SQLite's own, by name. */
export function listStored(db: DatabaseSync, schema = 'main'): StoredTable[] {
  const sql = new Map(
    db
      .prepare(`SELECT name, sql FROM ${schema}.sqlite_schema WHERE type = 'table'`)
      .all()
      .map(row => [String(row['name']), String(row['sql'])]),
  )
  const listed = db
    .prepare('SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = ? ORDER BY name')
    .all(schema)
    .map(row => ({
      name: String(row['name']),
      type: String(row['type']),
      withoutRowid: Number(row['wr']) !== 0,
      strict: Number(row['strict']) !== 0,
      sql: sql.get(String(row['name'])) ?? '',
    }))
    .filter(({ name }) => sql.has(name) && !name.startsWith('sqlite_'))
  const virtuals = new Map<string, Omit<VirtualTable, 'shadows'> & { name: string; shadows: string[] }>()
  for (const { name, type, sql: statement } of listed) {
    if (type !== 'virtual') continue
    virtuals.set(name.toLowerCase(), { name, ...kindOf(db, schema, name, statement), shadows: [] })
  }
  const tables = listed.map(table => {
    const owner = table.type === 'virtual' || virtuals.size === 0 ? undefined : ownerOf(db, schema, table, virtuals)
    owner?.shadows.push(table.name)
    return { ...table, owner: owner?.name }
  })
  return tables.map(each => {
    const virtual = each.type === 'virtual' ? virtuals.get(each.name.toLowerCase()) : undefined
    return { ...each, type: typeOf(each.type), virtual: virtual && withoutName(virtual) }
  })
}

function typeOf(type: string): StoredTable['type'] {
  return type === 'virtual' || type === 'shadow' ? type : 'table'
}

function withoutName({ kind, module, sql, content, shadows }: VirtualTable): VirtualTable {
  return { kind, module, sql, content, shadows }
}

/** The longest name of a virtual table that, with `_` after it, this one begins with. */
function ownerOf<V extends { readonly kind: VirtualKind }>(
  db: DatabaseSync,
  schema: string,
  { name, type }: { name: string; type: string },
  virtuals: ReadonlyMap<string, V>,
): V | undefined {
  for (let at = name.lastIndexOf('_'); at > 0; at = name.lastIndexOf('_', at - 1)) {
    const found = virtuals.get(name.slice(0, at).toLowerCase())
    if (found === undefined) continue
    if (type === 'shadow') return found
    // Without its module SQLite does not know them from others. One that refers to tables is the application's own.
    const refers = db.prepare('SELECT 1 FROM pragma_foreign_key_list(?, ?)').get(name, schema) !== undefined
    if (found.kind === 'unknown' && !refers) return found
  }
  return undefined
}

const MODULE = /\bUSING\s+["'`[]?(\w+)/i
const CONTENT = /[(,]\s*content\s*=\s*(?:'([^']*)'|"([^"]*)"|\[([^\]]*)\]|`([^`]*)`|([^\s,)]*))/i
const DERIVED: ReadonlySet<string> = new Set(['fts5vocab', 'fts4aux', 'fts3tokenize', 'dbstat', 'sqlite_dbpage'])

function kindOf(db: DatabaseSync, schema: string, name: string, sql: string): Omit<VirtualTable, 'shadows'> {
  const module = (MODULE.exec(sql)?.[1] ?? '').toLowerCase()
  const kind = (of: VirtualKind, content?: string): Omit<VirtualTable, 'shadows'> => {
    return { kind: of, module, sql, content }
  }
  if (DERIVED.has(module)) return kind('derived')
  if (!hasModule(db, name, schema)) return kind('unknown')
  if (!/^fts[345]$/.test(module)) return kind('tables')
  const [whole, ...texts] = CONTENT.exec(sql) ?? []
  if (whole === undefined) return kind('search')
  const content = texts.find(text => text !== undefined && text !== '')
  return content === undefined ? kind('contentless') : kind('external', content)
}

function hasModule(db: DatabaseSync, name: string, schema: string): boolean {
  try {
    return readColumns(db, name, schema).length > 0
  } catch {
    return false
  }
}

/** Its rows are data, and can be read as rows: not those of what is behind others, nor of indexes over other tables. */
export function holdsRows({ type, owner, virtual }: StoredTable): boolean {
  if (virtual) return virtual.kind === 'search' || virtual.kind === 'tables'
  return type === 'table' && owner === undefined
}

/**
 * What an INSERT names so that each row stays what it was: all columns that can be written, after the number of the row
 * where no column stands for it. An R-tree's first column is that number.
 */
export function rowColumnsOf(db: DatabaseSync, table: StoredTable, schema = 'main'): string[] {
  const rowid = hiddenRowidOf(db, table, schema)
  const columns = writableColumns(db, table.name, schema)
  return rowid === undefined ? columns : [rowid, ...columns]
}

/** By which name statements reach the number of a row that no column stands for. Undefined where there is none. */
export function hiddenRowidOf(
  db: DatabaseSync,
  { name, withoutRowid, virtual }: StoredTable,
  schema = 'main',
): string | undefined {
  if (virtual) return virtual.module.startsWith('rtree') ? undefined : 'rowid'
  const columns = readColumns(db, name, schema)
  if (withoutRowid || rowidAliasOf(columns, readIndexes(db, name, schema)) !== undefined) return undefined
  const taken = new Set(columns.map(column => column.name.toLowerCase()))
  return ['rowid', '_rowid_', 'oid'].find(each => !taken.has(each))
}

/** Builds a search index again from the rows that it is of. */
export function rebuildStatement(name: string, schema = 'main'): string {
  const quoted = quoteName(name)
  return `INSERT INTO ${schema}.${quoted} (${quoted}) VALUES ('rebuild')`
}

/**
 * What the module's own check says against a virtual table, held to the rows of the table that an index is of: undefined
 * when nothing, or when it has no check.
 */
export function checkVirtual(
  db: DatabaseSync,
  name: string,
  virtual: VirtualTable,
  schema = 'main',
): string | undefined {
  const { kind, module } = virtual
  const quoted = quoteName(name)
  try {
    if (module === 'fts5') {
      db.exec(
        `INSERT INTO ${schema}.${quoted} (${quoted}, rank) VALUES ('integrity-check', ${kind === 'external' ? 1 : 0})`,
      )
    } else if (/^fts[34]$/.test(module) && kind !== 'contentless') {
      db.exec(`INSERT INTO ${schema}.${quoted} (${quoted}) VALUES ('integrity-check')`)
    } else if (module.startsWith('rtree')) {
      const said = Object.values(db.prepare('SELECT rtreecheck(?, ?)').get(schema, name) ?? {})[0]
      return said === 'ok' ? undefined : String(said)
    }
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
