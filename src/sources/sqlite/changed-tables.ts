import type { DatabaseSync } from 'node:sqlite'
import type { ChangedTables, CreatedObject } from '../target.ts'
import type { ReplaceTablesAsk } from './replaced-table.ts'
import { SchemaLines } from './schema-lines.ts'
import { quoteName } from './schema-text.ts'
import { listStored, type StoredTable } from './stored-tables.ts'

/** The tables that are to be given the rows of the backup. `missing`: one that it does not have. */
export type ChosenTables = { readonly tables: readonly StoredTable[] } | { readonly missing: string }

/** SQLite's own names know no case. */
export function chooseTables(
  { tables: wanted, takeAway }: ReplaceTablesAsk,
  known: readonly StoredTable[],
): ChosenTables {
  if (wanted.length === 0) return { tables: takeAway === undefined ? known : [] }
  const tables: StoredTable[] = []
  for (const name of wanted) {
    const plain = name.replace(/^main\./i, '')
    const found =
      known.find(each => each.name === name) ??
      known.find(each => each.name === plain) ??
      known.find(each => each.name.toLowerCase() === plain.toLowerCase())
    if (found === undefined) return { missing: name }
    tables.push(found)
  }
  return { tables }
}

/** What a replacement changes and makes, so that all of it, and nothing else, can be taken back. */
export function changedTables(
  db: DatabaseSync,
  backup: DatabaseSync,
  chosen: readonly StoredTable[],
  takeAway: readonly CreatedObject[],
): ChangedTables {
  const there = new Map(listStored(db).map(({ name }) => [name.toLowerCase(), [name]]))
  const present = (name: string): readonly string[] => there.get(name.toLowerCase()) ?? []
  const goes = takeAway.filter(({ kind }) => kind === 'table').flatMap(({ name }) => present(name))
  const changed = new Set([...chosen.flatMap(({ name }) => present(name)), ...goes])
  const lines = { here: new SchemaLines(db), there: new SchemaLines(backup) }
  const created = chosen.flatMap(({ name }) =>
    present(name).length === 0 ? [{ kind: 'table', name }] : missingObjects(lines, name),
  )
  return { changed: [...changed], created }
}

function missingObjects({ here, there }: { here: SchemaLines; there: SchemaLines }, table: string): CreatedObject[] {
  const missing = there.of(table, 'index', 'trigger').filter(({ name }) => !here.names.has(name))
  return ['index', 'trigger'].flatMap(kind =>
    missing.filter(({ type }) => type === kind).map(({ name }) => ({ kind, name })),
  )
}

const DROPPABLE: ReadonlySet<string> = new Set(['table', 'index', 'trigger'])

/** Drops what a restore made. What is gone by then, with its table or by hand, is passed over. */
export function dropCreated(db: DatabaseSync, created: readonly CreatedObject[]): void {
  const typeOf = db.prepare('SELECT type FROM main.sqlite_schema WHERE name = ?')
  for (const { kind, name } of created.toReversed()) {
    if (!DROPPABLE.has(kind) || typeOf.get(name)?.['type'] !== kind) continue
    const table = kind === 'table' ? listStored(db).find(each => each.name === name) : undefined
    if (table?.virtual?.kind === 'unknown') dropUnknown(db, name, table.virtual.shadows)
    else db.exec(`DROP ${kind} main.${quoteName(name)}`)
  }
}

/** Only its module could drop it: as that would, the tables behind it, and its line of the schema. */
function dropUnknown(db: DatabaseSync, name: string, shadows: readonly string[]): void {
  for (const shadow of shadows) db.exec(`DROP TABLE main.${quoteName(shadow)}`)
  db.exec('PRAGMA writable_schema = ON')
  db.prepare("DELETE FROM main.sqlite_schema WHERE type = 'table' AND name = ?").run(name)
  db.exec('PRAGMA writable_schema = RESET')
}
