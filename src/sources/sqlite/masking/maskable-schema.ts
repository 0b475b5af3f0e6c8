import type { DatabaseSync } from 'node:sqlite'
import type { MaskableColumn, MaskableTable } from '../../../model/masking/maskable.ts'
import type { StoredTable } from '../stored-tables.ts'
import { TableReader } from '../table-reader.ts'
import type { StoredColumn } from '../table-shape.ts'

/** What a mask can name: tables, and virtual tables that have columns of their own. */
export function readMaskable(db: DatabaseSync): MaskableTable[] {
  const reader = new TableReader(db)
  return reader.stored
    .filter(table => table.type === 'table' || (table.virtual && !['unknown', 'derived'].includes(table.virtual.kind)))
    .map(table => toMaskable(reader, table))
}

function toMaskable(reader: TableReader, { name, strict, virtual }: StoredTable): MaskableTable {
  const indexes = virtual ? [] : reader.indexes(name)
  const parts = indexes.flatMap(index => index.parts)
  // What an index compares without regard to case.
  const folded = new Set(parts.flatMap(({ column, collation }) => (collation === 'NOCASE' ? [column] : [])))
  const unique = indexes
    .filter(index => index.unique)
    .map(index => ({ name: index.name, columns: index.parts.flatMap(({ column }) => column ?? []) }))
  const [key, ...others] = virtual ? [] : reader.primaryKey(name)
  const isKnown = unique.some(({ columns }) => columns.length === 1 && columns[0] === key)
  // An INTEGER PRIMARY KEY is the rowid, and has no index.
  if (key !== undefined && others.length === 0 && !isKnown) unique.push({ name: 'PRIMARY KEY', columns: [key] })
  return {
    key: name,
    schema: undefined,
    name,
    columns: reader
      .columns(name)
      .filter(column => column.kind !== 'hidden')
      .map(column => toColumn(column, strict, folded.has(column.name))),
    unique,
    foreignKeys: (virtual ? [] : reader.foreignKeys(name)).map(({ columns, parent, parentColumns }) => ({
      name: `(${columns.join(', ')}) REFERENCES ${parent}`,
      columns,
      table: parent,
      refColumns: parentColumns,
    })),
    parents: [],
  }
}

const LIMITED = /^(?:n?(?:var)?char|nvarchar|varying character|native character|character|nchar)\s*\((\d+)\)/i

function toColumn(
  { name, type, notNull, keyAt, kind }: StoredColumn,
  strict: boolean,
  folded: boolean,
): MaskableColumn {
  const limit = LIMITED.exec(type)
  return {
    name,
    type: strict ? strictType(type) : 'any',
    typeName: type || 'no type',
    maxChars: limit ? Number(limit[1]) : undefined,
    notNull: notNull || keyAt > 0,
    generated: kind === 'generated',
    caseInsensitive: folded,
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
