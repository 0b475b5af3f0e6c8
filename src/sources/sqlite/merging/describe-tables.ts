import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import {
  type ColumnDescription,
  type ForeignKey,
  findColumn,
  sameColumns,
  type TableDescription,
  type UniqueKey,
} from '../../../model/table-description.ts'
import { quoteName, quoteText } from '../schema-text.ts'
import { holdsRows, listStored, rowColumnsOf, type VirtualTable } from '../stored-tables.ts'
import { affinityOf } from './affinity.ts'

type Row = Record<string, SQLOutputValue>

/**
 * Tables of an attached database that hold rows of their own, virtual ones among them: not views, search indexes over other
 * tables and what is behind virtual tables.
 */
export function describeTables(db: DatabaseSync, schema: 'main' | 'bak'): TableDescription[] {
  const facts = readFacts(db, schema)
  const tables = listStored(db, schema)
    .filter(holdsRows)
    .map(table =>
      table.virtual
        ? describeVirtual(db, schema, table.name, table.virtual)
        : describeTable(db, schema, table.name, facts),
    )
  const byName = new Map(tables.map(table => [table.name.toLowerCase(), table]))
  return tables.map(table => ({ ...table, foreignKeys: table.foreignKeys.map(key => properNames(key, table, byName)) }))
}

/** SQLite refuses to write to tables whose foreign keys name nothing, unless it is told not to look at them. */
export function areForeignKeysSound(tables: readonly TableDescription[]): boolean {
  const byName = new Map(tables.map(table => [table.name, table]))
  return tables.every(table =>
    table.foreignKeys.every(key => {
      const parent = byName.get(key.parent)
      return parent?.uniqueKeys.some(each => sameColumns(each.columns, key.parentColumns)) === true
    }),
  )
}

/** What the schema says of all tables. One look each: a look for each table would be one at the whole schema. */
interface Facts {
  readonly listed: ReadonlyMap<string, Row>
  /** By the name of the table in lower case. */
  readonly triggers: ReadonlyMap<string, readonly Row[]>
}

function readFacts(db: DatabaseSync, schema: string): Facts {
  const statements = query(db, `SELECT name, sql FROM ${schema}.sqlite_schema WHERE type = 'table'`)
  const sql = new Map(statements.map(row => [row['name'], row['sql'] ?? null]))
  const listed = query(db, `SELECT name, wr, strict FROM pragma_table_list WHERE schema = ${quoteText(schema)}`)
  const triggers = query(
    db,
    `SELECT name, lower(tbl_name) AS tbl FROM ${schema}.sqlite_schema WHERE type = 'trigger' ORDER BY rowid`,
  )
  return {
    listed: new Map(listed.map(row => [String(row['name']), { ...row, sql: sql.get(row['name'] ?? null) ?? null }])),
    triggers: Map.groupBy(triggers, row => String(row['tbl'])),
  }
}

function describeVirtual(db: DatabaseSync, schema: string, name: string, virtual: VirtualTable): TableDescription {
  const sql = `${schema}.${quoteName(name)}`
  const [key = 'rowid', ...others] = rowColumnsOf(db, name, virtual, schema)
  const column = (of: string): ColumnDescription => ({
    name: of,
    type: of === key ? 'integer' : 'any',
    declaration: `${of === key ? 'INTEGER' : ''} COLLATE "BINARY"`,
    nullable: of !== key,
    hasDefault: of === key,
    generated: false,
    numberedUpTo: undefined,
    comparable: true,
  })
  const columns = [key, ...others].map(column)
  const uniqueKeys = [{ columns: [key], primary: true }]
  return { name, sql, scan: sql, columns, uniqueKeys, foreignKeys: [], triggers: [], allKeysKnown: true }
}

function query(db: DatabaseSync, sql: string): Row[] {
  return db.prepare(sql).all()
}

function describeTable(db: DatabaseSync, schema: string, name: string, facts: Facts): TableDescription {
  const listed = facts.listed.get(name) ?? {}
  const argument = `${quoteText(name)}, ${quoteText(schema)}`
  const infos = query(db, `SELECT * FROM pragma_table_xinfo(${argument}) WHERE hidden <> 1 ORDER BY cid`)
  const indexes = query(db, `SELECT name, "unique", origin, partial FROM pragma_index_list(${argument})`)
  const rowidAlias = findRowidAlias(infos, indexes)
  const collations = collationsOf(String(listed['sql']), name, infos)
  const columns = infos.map(info => describeColumn(info, { listed, rowidAlias, collations }))
  const unique = indexes.filter(index => index['unique'] === 1 && index['partial'] === 0)
  const keys = unique.flatMap(index => uniqueKey(db, schema, index, collations))
  const alias: UniqueKey[] = rowidAlias === undefined ? [] : [{ columns: [rowidAlias], primary: true }]
  const sql = `${schema}.${quoteName(name)}`
  const triggers = facts.triggers.get(name.toLowerCase()) ?? []
  return {
    name,
    sql,
    scan: sql,
    columns,
    uniqueKeys: [...alias, ...keys],
    foreignKeys: foreignKeys(db, name, argument),
    triggers: triggers.map(row => String(row['name'])),
  }
}

/** The column that is the rowid under another name. `INTEGER PRIMARY KEY DESC` is not; it has an index. */
function findRowidAlias(infos: readonly Row[], indexes: readonly Row[]): string | undefined {
  const primary = infos.filter(info => Number(info['pk']) > 0)
  const [only] = primary
  if (!only || primary.length > 1 || String(only['type']).toUpperCase() !== 'INTEGER') return undefined
  return indexes.some(index => index['origin'] === 'pk') ? undefined : String(only['name'])
}

interface ColumnContext {
  readonly listed: Row
  readonly rowidAlias: string | undefined
  readonly collations: ReadonlyMap<string, string>
}

const MAX_INTEGER = 2n ** 63n - 1n

function describeColumn(info: Row, { listed, rowidAlias, collations }: ColumnContext): ColumnDescription {
  const name = String(info['name'])
  const declared = String(info['type'] ?? '')
  const affinity = affinityOf(declared, listed['strict'] === 1)
  const isPrimary = Number(info['pk']) > 0
  const never = Number(info['notnull']) === 1 || name === rowidAlias || (isPrimary && listed['wr'] === 1)
  return {
    name,
    type: declared === '' ? 'any' : declared.toLowerCase(),
    declaration: `${affinity} COLLATE ${quoteName(collations.get(name) ?? 'BINARY')}`,
    nullable: !never,
    hasDefault: info['dflt_value'] !== null || name === rowidAlias,
    generated: Number(info['hidden']) !== 0,
    numberedUpTo: affinity === 'INTEGER' ? MAX_INTEGER : undefined,
    comparable: true,
  }
}

/** An index that compares a column differently than the column itself is no key as we compare. */
function uniqueKey(db: DatabaseSync, schema: string, index: Row, collations: ReadonlyMap<string, string>): UniqueKey[] {
  const argument = `${quoteText(String(index['name']))}, ${quoteText(schema)}`
  const parts = query(db, `SELECT name, coll FROM pragma_index_xinfo(${argument}) WHERE key = 1 ORDER BY seqno`)
  const plain = parts.every(
    part =>
      part['name'] !== null &&
      String(part['coll']).toUpperCase() === (collations.get(String(part['name'])) ?? 'BINARY').toUpperCase(),
  )
  return plain ? [{ columns: parts.map(part => String(part['name'])), primary: index['origin'] === 'pk' }] : []
}

/** No pragma tells how a column compares, but an index on it does. Made on an empty table of the same words, in memory. */
function collationsOf(sql: string, table: string, infos: readonly Row[]): ReadonlyMap<string, string> {
  const collations = new Map<string, string>()
  if (!/\bcollate\b/i.test(sql)) return collations
  const copy = new DatabaseSync(':memory:', {
    enableForeignKeyConstraints: false,
    enableDoubleQuotedStringLiterals: true,
  })
  try {
    copy.exec(sql)
    for (const [i, info] of infos.entries()) {
      const column = String(info['name'])
      copy.exec(`CREATE INDEX lifeboat_${i} ON ${quoteName(table)} (${quoteName(column)})`)
      const [part] = query(copy, `SELECT coll FROM pragma_index_xinfo('lifeboat_${i}') WHERE key = 1`)
      collations.set(column, String(part?.['coll'] ?? 'BINARY'))
    }
    return collations
  } catch {
    // Functions or collations of the application's own, which SQLite will name when a statement needs them.
    return collations
  } finally {
    copy.close()
  }
}

function foreignKeys(db: DatabaseSync, table: string, argument: string): ForeignKey[] {
  const parts = query(db, `SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(${argument}) ORDER BY id, seq`)
  const ids = [...new Set(parts.map(part => part['id']))]
  return ids.map(id => {
    const own = parts.filter(part => part['id'] === id)
    const columns = own.map(part => String(part['from']))
    const to = own.map(part => part['to']).filter(column => column !== null)
    return {
      name: `${table} (${columns.join(', ')})`,
      columns,
      parent: String(own[0]?.['table']),
      parentColumns: to.map(String),
    }
  })
}

/** Names in a foreign key may be written in other case, and the parent's columns left out where they are its primary key. */
function properNames(
  key: ForeignKey,
  table: TableDescription,
  tables: ReadonlyMap<string, TableDescription>,
): ForeignKey {
  const parent = tables.get(key.parent.toLowerCase())
  const primary = parent?.uniqueKeys.find(each => each.primary)?.columns ?? []
  const parentColumns = key.parentColumns.length === 0 ? primary : key.parentColumns
  return {
    ...key,
    columns: key.columns.map(column => properColumn(table, column)),
    parent: parent?.name ?? key.parent,
    parentColumns: parent === undefined ? parentColumns : parentColumns.map(column => properColumn(parent, column)),
  }
}

function properColumn(table: TableDescription, name: string): string {
  const exact = findColumn(table, name)
  const like = table.columns.find(column => column.name.toLowerCase() === name.toLowerCase())
  return (exact ?? like)?.name ?? name
}
