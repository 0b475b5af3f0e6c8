import type { DatabaseSync } from 'node:sqlite'
import { quoteText } from './schema-text.ts'
import { listStored, type StoredTable } from './stored-tables.ts'
import { readColumns, readIndexes, type StoredColumn, type StoredIndex } from './table-shape.ts'

export interface StoredForeignKey {
  readonly columns: readonly string[]
  readonly parent: string
  readonly parentColumns: readonly string[]
}

/**
 * What the schema of a database says of its tables, for everybody who wants to know: manifests, merges, masks, dumps. Each
 * thing is looked up once; a schema that changes needs a new reader.
 */
export class TableReader {
  readonly stored: readonly StoredTable[]
  readonly #db: DatabaseSync
  readonly #schema: string
  /** By the name in lower case. */
  readonly #names: ReadonlyMap<string, string>
  readonly #columns = new Map<string, readonly StoredColumn[]>()

  constructor(db: DatabaseSync, schema = 'main') {
    this.#db = db
    this.#schema = schema
    this.stored = listStored(db, schema)
    this.#names = new Map(this.stored.map(({ name }) => [name.toLowerCase(), name]))
  }

  columns(table: string): readonly StoredColumn[] {
    const known = this.#columns.get(table) ?? readColumns(this.#db, table, this.#schema)
    this.#columns.set(table, known)
    return known
  }

  indexes(table: string): StoredIndex[] {
    return readIndexes(this.#db, table, this.#schema)
  }

  /** In order of the key. */
  primaryKey(table: string): string[] {
    const key = this.columns(table).filter(column => column.keyAt > 0)
    return key.toSorted((a, b) => a.keyAt - b.keyAt).map(column => column.name)
  }

  /** With names as their tables have them: a key may write them in other case, and leave out the parent's primary key. */
  foreignKeys(table: string): StoredForeignKey[] {
    const rows = this.#db
      .prepare(
        `SELECT id, "table" AS parent, "from" AS own, "to" AS other
         FROM pragma_foreign_key_list(${quoteText(table)}, ${quoteText(this.#schema)}) ORDER BY id, seq`,
      )
      .all()
    return [...Map.groupBy(rows, row => row['id']).values()].map(parts => {
      const named = String(parts[0]?.['parent'])
      const parent = this.#names.get(named.toLowerCase())
      const others = parts.flatMap(part => (part['other'] === null ? [] : [String(part['other'])]))
      return {
        columns: parts.map(part => this.#columnNamed(table, String(part['own']))),
        parent: parent ?? named,
        parentColumns:
          parent === undefined
            ? others
            : others.length === 0
              ? this.primaryKey(parent)
              : others.map(column => this.#columnNamed(parent, column)),
      }
    })
  }

  #columnNamed(table: string, name: string): string {
    const names = this.columns(table).map(column => column.name)
    return names.find(each => each === name) ?? names.find(each => each.toLowerCase() === name.toLowerCase()) ?? name
  }
}
