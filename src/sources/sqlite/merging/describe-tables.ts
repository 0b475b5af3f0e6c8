import { DatabaseSync } from 'node:sqlite'
import {
  type ColumnDescription,
  sameColumns,
  type TableDescription,
  type UniqueKey,
} from '../../../model/table-description.ts'
import { quoteName } from '../schema-text.ts'
import { holdsRows, rowColumnsOf, type StoredTable } from '../stored-tables.ts'
import { TableReader } from '../table-reader.ts'
import { readIndexes, rowidAliasOf, type StoredColumn, type StoredIndex } from '../table-shape.ts'
import { affinityOf } from './affinity.ts'

/**
 * Tables of an attached database that hold rows of their own, virtual ones among them: not views, search indexes over other
 * tables and what is behind virtual tables.
 */
export function describeTables(db: DatabaseSync, schema: 'main' | 'bak'): TableDescription[] {
  const reader = new TableReader(db, schema)
  const triggers = readTriggers(db, schema)
  return reader.stored.filter(holdsRows).map(table => {
    if (table.virtual) return describeVirtual(db, schema, table)
    return describeTable(reader, schema, table, triggers.get(table.name.toLowerCase()) ?? [])
  })
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

/** Names by the table's in lower case. One look: a look for each table would be one at the whole schema. */
function readTriggers(db: DatabaseSync, schema: string): ReadonlyMap<string, string[]> {
  const rows = db
    .prepare(`SELECT name, lower(tbl_name) AS tbl FROM ${schema}.sqlite_schema WHERE type = 'trigger' ORDER BY rowid`)
    .all()
  const byTable = Map.groupBy(rows, row => String(row['tbl']))
  return new Map([...byTable].map(([table, own]) => [table, own.map(row => String(row['name']))]))
}

function describeVirtual(db: DatabaseSync, schema: string, table: StoredTable): TableDescription {
  const { name } = table
  const sql = `${schema}.${quoteName(name)}`
  const [key = 'rowid', ...others] = rowColumnsOf(db, table, schema)
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

function describeTable(
  reader: TableReader,
  schema: string,
  table: StoredTable,
  triggers: readonly string[],
): TableDescription {
  const { name } = table
  const stored = reader.columns(name).filter(column => column.kind !== 'hidden')
  const indexes = reader.indexes(name)
  const rowidAlias = rowidAliasOf(stored, indexes)
  const collations = collationsOf(table, stored)
  const keys = indexes.filter(index => index.unique && !index.partial).flatMap(index => uniqueKey(index, collations))
  const alias: UniqueKey[] = rowidAlias === undefined ? [] : [{ columns: [rowidAlias], primary: true }]
  const sql = `${schema}.${quoteName(name)}`
  return {
    name,
    sql,
    scan: sql,
    columns: stored.map(column => describeColumn(column, { table, rowidAlias, collations })),
    uniqueKeys: [...alias, ...keys],
    foreignKeys: reader.foreignKeys(name).map(key => ({ ...key, name: `${name} (${key.columns.join(', ')})` })),
    triggers,
  }
}

interface ColumnContext {
  readonly table: StoredTable
  readonly rowidAlias: string | undefined
  readonly collations: ReadonlyMap<string, string>
}

const MAX_INTEGER = 2n ** 63n - 1n

function describeColumn(column: StoredColumn, { table, rowidAlias, collations }: ColumnContext): ColumnDescription {
  const { name, type } = column
  const affinity = affinityOf(type, table.strict)
  const never = column.notNull || name === rowidAlias || (column.keyAt > 0 && table.withoutRowid)
  return {
    name,
    type: type === '' ? 'any' : type.toLowerCase(),
    declaration: `${affinity} COLLATE ${quoteName(collations.get(name) ?? 'BINARY')}`,
    nullable: !never,
    hasDefault: column.hasDefault || name === rowidAlias,
    generated: column.kind === 'generated',
    numberedUpTo: affinity === 'INTEGER' ? MAX_INTEGER : undefined,
    comparable: true,
  }
}

/** An index that compares a column differently than the column itself is no key as we compare. */
function uniqueKey({ parts, primary }: StoredIndex, collations: ReadonlyMap<string, string>): UniqueKey[] {
  const columns = parts.flatMap(({ column, collation }) => {
    const own = collations.get(column ?? '') ?? 'BINARY'
    return column !== undefined && collation.toUpperCase() === own.toUpperCase() ? [column] : []
  })
  return columns.length === parts.length ? [{ columns, primary }] : []
}

/** No pragma tells how a column compares, but an index on it does. Made on an empty table of the same words, in memory. */
function collationsOf({ name, sql }: StoredTable, columns: readonly StoredColumn[]): ReadonlyMap<string, string> {
  const collations = new Map<string, string>()
  if (!/\bcollate\b/i.test(sql)) return collations
  const copy = new DatabaseSync(':memory:', {
    enableForeignKeyConstraints: false,
    enableDoubleQuotedStringLiterals: true,
  })
  try {
    copy.exec(sql)
    for (const [i, { name: column }] of columns.entries()) {
      copy.exec(`CREATE INDEX lifeboat_${i} ON ${quoteName(name)} (${quoteName(column)})`)
    }
    for (const { parts } of readIndexes(copy, name)) {
      const [part, ...others] = parts
      if (part?.column !== undefined && others.length === 0) collations.set(part.column, part.collation)
    }
    return collations
  } catch {
    // Functions or collations of the application's own, which SQLite will name when a statement needs them.
    return collations
  } finally {
    copy.close()
  }
}
