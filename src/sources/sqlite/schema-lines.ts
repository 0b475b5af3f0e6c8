import type { DatabaseSync } from 'node:sqlite'

export interface SchemaLine {
  readonly type: string
  readonly name: string
  readonly sql: string
}

/**
 * What was made by a statement, by the table that it is of, in the order in which it was made. Read once: each look for
 * what one table has would be one at the whole schema.
 */
export class SchemaLines {
  readonly names: ReadonlySet<string>
  readonly #byTable: ReadonlyMap<string, readonly SchemaLine[]>

  constructor(db: DatabaseSync) {
    const rows = db
      .prepare('SELECT type, name, tbl_name AS tbl, sql FROM main.sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid')
      .all()
      .map(row => ({
        type: String(row['type']),
        name: String(row['name']),
        tbl: String(row['tbl']),
        sql: String(row['sql']),
      }))
    this.names = new Set(rows.map(({ name }) => name))
    this.#byTable = Map.groupBy(rows, ({ tbl }) => foldCase(tbl))
  }

  of(table: string, ...types: readonly string[]): SchemaLine[] {
    return (this.#byTable.get(foldCase(table)) ?? []).filter(({ type }) => types.includes(type))
  }
}

/** As SQLite does: of letters of ASCII only. */
function foldCase(name: string): string {
  return name.replace(/[A-Z]/g, letter => letter.toLowerCase())
}

const LINE = 'type, name, tbl_name, rootpage, sql'

/**
 * Puts all triggers aside, for SQLite has no switch for them that we could reach. Their lines of the schema are taken out
 * and put back by whoever calls what is returned, in the same transaction: each DROP and CREATE would read all of it.
 */
export function putTriggersAside(db: DatabaseSync): () => void {
  const lines = db.prepare(`SELECT ${LINE} FROM main.sqlite_schema WHERE type = 'trigger' ORDER BY rowid`).all()
  if (lines.length === 0) return () => {}
  editSchema(db, () => db.exec("DELETE FROM main.sqlite_schema WHERE type = 'trigger'"))
  return () =>
    editSchema(db, () => {
      const insert = db.prepare(`INSERT INTO main.sqlite_schema (${LINE}) VALUES (?, ?, ?, ?, ?)`)
      for (const line of lines) insert.run(...Object.values(line))
    })
}

function editSchema(db: DatabaseSync, edit: () => void): void {
  db.exec('PRAGMA writable_schema = ON')
  edit()
  db.exec('PRAGMA writable_schema = RESET')
}
