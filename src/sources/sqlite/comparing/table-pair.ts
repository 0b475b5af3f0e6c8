import type { DatabaseSync } from 'node:sqlite'
import { sameColumns, type TableDescription } from '../../../model/table-description.ts'
import { describeTables } from '../merging/describe-tables.ts'
import { listStored } from '../stored-tables.ts'
import type { ComparedColumn, KeyColumn } from './row-functions.ts'

/** `main` and `bak`: the two databases of the connection. */
export interface TablePair {
  readonly name: string
  readonly main: TableDescription | undefined
  readonly bak: TableDescription | undefined
  /** It holds data that can't be read as rows. */
  readonly unreadable: boolean
  /** Which of them have no rowid. */
  readonly withoutRowid: readonly Schema[]
  /** In which of them the rowid is the primary key. */
  readonly rowidIsKey: readonly Schema[]
}

export type Schema = 'main' | 'bak'

/** Names are the same in any case, as SQLite has it. */
export function pairTables(db: DatabaseSync): TablePair[] {
  const pairs = new Map<string, TablePair>()
  const change = (name: string, to: (pair: TablePair) => Partial<TablePair>): void => {
    const none = { name, main: undefined, bak: undefined, unreadable: false, withoutRowid: [], rowidIsKey: [] }
    const pair = pairs.get(name.toLowerCase()) ?? none
    pairs.set(name.toLowerCase(), { ...pair, ...to(pair) })
  }
  for (const schema of ['main', 'bak'] as const) {
    for (const table of describeTables(db, schema)) {
      const keyed: Schema[] = hasRowidAsKey(db, schema, table) ? [schema] : []
      change(table.name, pair => ({ [schema]: table, rowidIsKey: [...pair.rowidIsKey, ...keyed] }))
    }
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

/** Any other primary key has an index of its own, or the table has no rowid. */
function hasRowidAsKey(db: DatabaseSync, schema: Schema, { name, uniqueKeys }: TableDescription): boolean {
  if (!uniqueKeys.some(key => key.primary && key.columns.length === 1)) return false
  return db.prepare(`SELECT 1 FROM pragma_index_list(?, ?) WHERE origin = 'pk'`).get(name, schema) === undefined
}

/** What of two tables can be compared, and how their rows find each other. */
export interface Comparable {
  readonly main: TableDescription
  readonly bak: TableDescription
  /** Of both sides, as `main` writes them; computed ones follow from the others and are left out. */
  readonly columns: readonly ComparedColumn[]
  readonly onlyMain: readonly string[]
  readonly onlyBak: readonly string[]
  /** Empty: there is no primary key that both have. */
  readonly key: readonly KeyColumn[]
  /**
   * What says which row of the other side stands where a row does, most likely the same one. Never NULL, and found by an
   * index. Empty: rows can only be matched by what is in them.
   */
  readonly beside: readonly string[]
  /** That is the key: where nothing stands beside a row, there is none with its key. */
  readonly isKeyBeside: boolean
}

export function compareShapes(pair: TablePair, main: TableDescription, bak: TableDescription): Comparable {
  const [here, there] = [writtenColumns(main), writtenColumns(bak)]
  const [inMain, inBak] = [lower(here), lower(there)]
  const columns = here.filter(name => inBak.includes(name.toLowerCase()))
  const key = keyOf(main, bak, columns)
  const isOfOneType = (name: string): boolean => {
    const affinity = affinityOf(main, name)
    return affinity !== '' && affinity === affinityOf(bak, name)
  }
  return {
    main,
    bak,
    columns: columns.map(name => ({ name, isOfOneType: isOfOneType(name) })),
    onlyMain: here.filter(name => !inBak.includes(name.toLowerCase())),
    onlyBak: there.filter(name => !inMain.includes(name.toLowerCase())),
    key,
    beside: besideColumns(pair, main, bak, key),
    isKeyBeside: key.length > 0 && (pair.withoutRowid.length === 2 || pair.rowidIsKey.length === 2),
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

function collationOf(table: TableDescription, name: string): string {
  return (/COLLATE "(.*)"$/.exec(declarationOf(table, name))?.[1] ?? 'BINARY').toUpperCase()
}

function affinityOf(table: TableDescription, name: string): string {
  return /^(\w*) COLLATE/.exec(declarationOf(table, name))?.[1] ?? ''
}

function declarationOf({ columns }: TableDescription, name: string): string {
  return columns.find(each => each.name.toLowerCase() === name.toLowerCase())?.declaration ?? ''
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
