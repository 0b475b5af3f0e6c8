import type { DatabaseSync } from 'node:sqlite'
import { quoteText } from './schema-text.ts'

export interface StoredColumn {
  readonly name: string
  /** As declared; '' for none. */
  readonly type: string
  readonly notNull: boolean
  readonly hasDefault: boolean
  /** Its place in the primary key, from 1; 0: not part of it. */
  readonly keyAt: number
  /** `hidden`: of a virtual table, a command or another name of the rowid. */
  readonly kind: 'stored' | 'generated' | 'hidden'
}

export interface StoredIndex {
  readonly name: string
  readonly unique: boolean
  readonly primary: boolean
  /** Over rows that meet a condition. */
  readonly partial: boolean
  /** What it orders by; without a column where that is an expression. */
  readonly parts: ReadonlyArray<{ readonly column: string | undefined; readonly collation: string }>
}

/** Throws for a virtual table whose module is not here. */
export function readColumns(db: DatabaseSync, table: string, schema = 'main'): StoredColumn[] {
  const rows = db
    .prepare(`SELECT * FROM pragma_table_xinfo(${quoteText(table)}, ${quoteText(schema)}) ORDER BY cid`)
    .all()
  return rows.map(row => ({
    name: String(row['name']),
    type: String(row['type'] ?? ''),
    notNull: Number(row['notnull']) === 1,
    hasDefault: row['dflt_value'] !== null,
    keyAt: Number(row['pk']),
    kind: KINDS[Number(row['hidden'])] ?? 'generated',
  }))
}

const KINDS = ['stored', 'hidden'] as const

export function readIndexes(db: DatabaseSync, table: string, schema = 'main'): StoredIndex[] {
  const rows = db
    .prepare(
      `SELECT l.name, l."unique", l.origin, l.partial, x.name AS "column", x.coll
       FROM pragma_index_list(${quoteText(table)}, ${quoteText(schema)}) AS l,
         pragma_index_xinfo(l.name, ${quoteText(schema)}) AS x
       WHERE x.key = 1 ORDER BY l.seq, x.seqno`,
    )
    .all()
  return [...Map.groupBy(rows, row => String(row['name']))].map(([name, parts]) => ({
    name,
    unique: Number(parts[0]?.['unique']) === 1,
    primary: parts[0]?.['origin'] === 'pk',
    partial: Number(parts[0]?.['partial']) === 1,
    parts: parts.map(({ column, coll }) => ({
      column: typeof column === 'string' ? column : undefined,
      collation: String(coll),
    })),
  }))
}

/** The column that is the rowid under another name. `INTEGER PRIMARY KEY DESC` is not; it has an index. */
export function rowidAliasOf(columns: readonly StoredColumn[], indexes: readonly StoredIndex[]): string | undefined {
  const [only, ...others] = columns.filter(column => column.keyAt > 0)
  if (only === undefined || others.length > 0 || only.type.toUpperCase() !== 'INTEGER') return undefined
  return indexes.some(index => index.primary) ? undefined : only.name
}

/** What an INSERT can name: neither generated columns nor commands. */
export function writableColumns(db: DatabaseSync, table: string, schema = 'main'): string[] {
  return readColumns(db, table, schema)
    .filter(column => column.kind === 'stored')
    .map(column => column.name)
}
