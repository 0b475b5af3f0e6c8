/** A table as a database describes it: what a merge has to know of it, on either side, whatever the engine. */
export interface TableDescription {
  /** As people name it: `user`; with its schema, `shop.user`, where that is not the usual one. */
  readonly name: string
  /** How statements name it, quoted. */
  readonly sql: string
  /** How queries and updates name it: without the rows of tables that inherit from it. */
  readonly scan: string
  readonly columns: readonly ColumnDescription[]
  /** Keys that hold for every row and every column as it is compared by default: no partial ones, none of expressions. */
  readonly uniqueKeys: readonly UniqueKey[]
  /** There are no others: no partial ones, none of expressions. */
  readonly allKeysKnown?: boolean
  readonly foreignKeys: readonly ForeignKey[]
  /** Tables that some of its rows refer to, by keys that do not hold for all: they come first. */
  readonly partReferences?: readonly string[] | undefined
  /** The application's own triggers, by name. */
  readonly triggers: readonly string[]
}

export interface ColumnDescription {
  readonly name: string
  /** For people, and to compare two sides: `integer`, `varchar(40)`. */
  readonly type: string
  /** Declares a column that holds the same values and compares them alike, without any constraint. */
  readonly declaration: string
  readonly nullable: boolean
  readonly hasDefault: boolean
  /** Computed by the database: never written. */
  readonly generated: boolean
  /** Greatest number that it can hold; undefined where its rows can't be numbered anew. */
  readonly numberedUpTo: bigint | undefined
  /** Two values can be told equal. */
  readonly comparable: boolean
}

export interface UniqueKey {
  readonly columns: readonly string[]
  readonly primary: boolean
}

export interface ForeignKey {
  /** As messages and statements name it. */
  readonly name: string
  readonly columns: readonly string[]
  /** Name of the table that it refers to, as `TableDescription.name`. */
  readonly parent: string
  readonly parentColumns: readonly string[]
}

export function findColumn(table: TableDescription, name: string): ColumnDescription | undefined {
  return table.columns.find(column => column.name === name)
}

/** `(a, b)` and `(b, a)` are one key. */
export function sameColumns(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every(name => b.includes(name))
}
