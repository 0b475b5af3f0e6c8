import type { DatabaseSync } from 'node:sqlite'
import { sameColumns, type TableDescription } from '../../../model/table-description.ts'
import { describeTables } from '../merging/describe-tables.ts'
import { listStored } from '../stored-tables.ts'
import type { KeyColumn } from './row-functions.ts'

/** `main` and `bak`: the two databases of the connection. */
export interface TablePair {
  readonly name: string
  readonly main: TableDescription | undefined
  readonly bak: TableDescription | undefined
  /** It holds data that can't be read as rows. */
  readonly unreadable: boolean
  /** Which of them have no rowid. */
  readonly withoutRowid: readonly Schema[]
}

export type Schema = 'main' | 'bak'

/** Names are the same in any case, as SQLite has it. */
export function pairTables(db: DatabaseSync): TablePair[] {
  const pairs = new Map<string, TablePair>()
  const change = (name: string, to: (pair: TablePair) => Partial<TablePair>): void => {
    const none = { name, main: undefined, bak: undefined, unreadable: false, withoutRowid: [] }
    const pair = pairs.get(name.toLowerCase()) ?? none
    pairs.set(name.toLowerCase(), { ...pair, ...to(pair) })
  }
  for (const schema of ['main', 'bak'] as const) {
    for (const table of describeTables(db, schema)) change(table.name, () => ({ [schema]: table }))
    for (const { name, virtual, withoutRowid } of listStored(db, schema)) {
      if (virtual?.kind === 'contentless' || virtual?.kind === 'unknown') change(name, () => ({ unreadable: true }))
      else if (withoutRowid) change(name, pair => ({ withoutRowid: [...pair.withoutRowid, schema] }))
    }
  }
  // Tables behind virtual ones may have no rowid either, and are no tables of their own.
  return [...pairs.values()]
    .filter(({ main, bak, unreadable }) => main !== undefined || bak !== undefined || unreadable)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** What of two tables can be compared, and how their rows find each other. */
export interface Comparable {
  readonly main: TableDescription
  readonly bak: TableDescription
  /** Of both sides, as `main` writes them; computed ones follow from the others and are left out. */
  readonly columns: readonly string[]
  readonly onlyMain: readonly string[]
  readonly onlyBak: readonly string[]
  /** Empty: there is no primary key that both have. */
  readonly key: readonly KeyColumn[]
  /**
   * What says which row of the other side stands where a row does, most likely the same one. Never NULL, and found by an
   * index. Empty: rows can only be matched by what is in them.
   */
  readonly beside: readonly string[]
}

export function compareShapes(pair: TablePair, main: TableDescription, bak: TableDescription): Comparable {
  const [here, there] = [writtenColumns(main), writtenColumns(bak)]
  const [inMain, inBak] = [lower(here), lower(there)]
  const columns = here.filter(name => inBak.includes(name.toLowerCase()))
  const key = keyOf(main, bak, columns)
  return {
    main,
    bak,
    columns,
    onlyMain: here.filter(name => !inBak.includes(name.toLowerCase())),
    onlyBak: there.filter(name => !inMain.includes(name.toLowerCase())),
    key,
    beside: besideColumns(pair, main, bak, key),
  }
}

const lower = (names: readonly string[]): string[] => names.map(name => name.toLowerCase())

export function writtenColumns({ columns }: TableDescription): string[] {
  return columns.filter(each => !each.generated).map(each => each.name)
}

/** The primary key, where it is the same on both sides and compares alike. */
function keyOf(main: TableDescription, bak: TableDescription, columns: readonly string[]): KeyColumn[] {
  const primary = ({ uniqueKeys }: TableDescription): readonly string[] =>
    uniqueKeys.find(key => key.primary)?.columns ?? []
  const [here, there] = [primary(main), primary(bak)]
  if (here.length === 0 || !sameColumns(lower(here), lower(there))) return []
  const key = here.map(name => ({ name, collation: collationOf(main, name) }))
  const alike = key.every(({ name, collation }) => columns.includes(name) && collationOf(bak, name) === collation)
  return alike ? key : []
}

function collationOf({ columns }: TableDescription, name: string): string {
  const column = columns.find(each => each.name.toLowerCase() === name.toLowerCase())
  return (/COLLATE "(.*)"$/.exec(column?.declaration ?? '')?.[1] ?? 'BINARY').toUpperCase()
}

/** A column may have taken one of these names. */
const ROWIDS = ['rowid', '_rowid_', 'oid'] as const

/** Rows keep their rowid, unless somebody gives them another. */
function besideColumns(
  { withoutRowid }: TablePair,
  main: TableDescription,
  bak: TableDescription,
  key: readonly KeyColumn[],
): readonly string[] {
  if (withoutRowid.length === 2) return key.map(({ name }) => name)
  if (withoutRowid.length === 1) return []
  const taken = lower([...main.columns, ...bak.columns].map(each => each.name))
  return ROWIDS.filter(name => !taken.includes(name)).slice(0, 1)
}
