import fc from 'fast-check'
import { CONFLICT_RULES } from '../../src/model/merge-rules.ts'
import type { ModelData, ModelLink, ModelRow, ModelTable, Value } from './merge-model-tables.ts'

/** A schema, merge rules, and what the two sides hold. */
export interface World {
  readonly tables: readonly ModelTable[]
  readonly backup: ModelData
  readonly target: ModelData
}

/** A whole number from 1 to `max`. */
type Dice = (max: number) => number

const NAMES = ['a', 'b', 'c', 'd'] as const

/**
 * Small schemas with everything that makes merging hard: ids beside natural keys, unique columns, references to earlier and
 * later tables and to itself, keys that hold references, tables of pairs and references to pairs; and rows from few values,
 * so that ids and keys collide. With `lost`, some references lead nowhere. A world has several parts that know nothing of one
 * another: merging many at once takes as long as merging one.
 */
export function worlds(lost: boolean, parts: number): fc.Arbitrary<World> {
  return fc.gen().map(generate => {
    const dice: Dice = max => generate(fc.integer, { min: 1, max })
    const tables = Array.from({ length: parts }, (_, i) => makeTables(dice, `w${i}`)).flat()
    return { tables, backup: makeData(dice, tables, lost), target: makeData(dice, tables, lost) }
  })
}

function makeTables(dice: Dice, prefix: string): ModelTable[] {
  const names = NAMES.slice(0, dice(4)).map(name => prefix + name)
  const pairs = names.filter((_, i) => i > 0 && dice(5) === 1)
  const singles = names.filter(name => !pairs.includes(name))
  return names.map(name =>
    pairs.includes(name) ? pairsTable(dice, name, singles) : singleTable(dice, name, singles, pairs),
  )
}

function pick<T>(dice: Dice, values: readonly [T, ...T[]] | readonly T[]): T {
  const value = values[dice(values.length) - 1]
  if (value === undefined) throw new Error('nothing to pick from')
  return value
}

/** Its primary key is two references. */
function pairsTable(dice: Dice, name: string, singles: readonly string[]): ModelTable {
  const links = [link(['fa'], pick(dice, singles)), link(['fb'], pick(dice, singles))]
  const primary = ['fa', 'fb']
  const onConflict = pick(dice, CONFLICT_RULES)
  return {
    ...EMPTY,
    name,
    columns: [...primary, 'v', 'ver'],
    demanded: primary,
    primary,
    links,
    key: primary,
    onConflict,
  }
}

const EMPTY = { unique: [], newerBy: 'ver' }

function singleTable(dice: Dice, name: string, singles: readonly string[], pairs: readonly string[]): ModelTable {
  const links: ModelLink[] = []
  for (const column of ['f0', 'f1']) if (dice(100) <= 55) links.push(link([column], pick(dice, singles)))
  const [first] = links
  if (pairs.length > 0 && dice(2) === 1) {
    links.push({ columns: ['pa', 'pb'], parent: pick(dice, pairs), parentColumns: ['fa', 'fb'] })
  }
  const keyed = first !== undefined && dice(10) <= 3 ? [[...first.columns, 'slot']] : []
  const natural = dice(10) <= 6 ? [['nat']] : []
  const unique = [...natural, ...(dice(10) <= 4 ? [['u']] : []), ...keyed]
  return {
    ...EMPTY,
    name,
    columns: ['id', 'nat', 'u', 'slot', 'v', 'ver', ...links.flatMap(each => each.columns)],
    demanded: ['id', 'nat', 'slot'],
    primary: ['id'],
    unique,
    links,
    key: pick<readonly string[]>(dice, [['id'], ...natural, ...keyed]),
    onConflict: pick(dice, CONFLICT_RULES),
  }
}

function link(columns: readonly string[], parent: string): ModelLink {
  return { columns, parent, parentColumns: ['id'] }
}

function makeData(dice: Dice, tables: readonly ModelTable[], lost: boolean): Record<string, ModelRow[]> {
  const data: Record<string, ModelRow[]> = {}
  for (const table of tables) {
    const rows = Array.from({ length: dice(7) - 1 }, () => makeRow(dice, table))
    data[table.name] = onlyUnique(table, rows)
  }
  // References are set when all rows are there, so that circles come about.
  for (const table of tables) {
    const linked = (data[table.name] ?? [])
      .map(row => setLinks(dice, table, row, data, lost))
      .filter(row => row !== undefined)
    data[table.name] = onlyUnique(table, linked)
  }
  return lost ? data : withoutLost(tables, data)
}

function makeRow(dice: Dice, table: ModelTable): ModelRow {
  const all: ModelRow = {
    id: dice(7),
    nat: `n${dice(6)}`,
    u: dice(3) === 1 ? null : dice(4),
    slot: dice(3),
    v: `v${dice(3)}`,
    ver: dice(4) === 1 ? null : dice(3),
  }
  return Object.fromEntries(table.columns.map((column): [string, Value] => [column, all[column] ?? null]))
}

function setLinks(
  dice: Dice,
  table: ModelTable,
  row: ModelRow,
  data: Record<string, ModelRow[]>,
  lost: boolean,
): ModelRow | undefined {
  const set: Record<string, Value> = { ...row }
  for (const { columns, parent, parentColumns } of table.links) {
    const parents = data[parent] ?? []
    const choice = dice(10) - 1
    const isDemanded = columns.some(column => table.demanded.includes(column))
    if (lost && choice === 9) for (const column of columns) set[column] = dice(9)
    else if (parents.length > 0 && (choice > 1 || isDemanded)) {
      const to = pick(dice, parents)
      for (const [i, column] of columns.entries()) set[column] = to[parentColumns[i] ?? ''] ?? null
    } else if (isDemanded) return undefined
  }
  return set
}

/** NULLs count as equal in what is a merge key. */
function onlyUnique(table: ModelTable, rows: readonly ModelRow[]): ModelRow[] {
  const kept: ModelRow[] = []
  for (const row of rows) {
    const clashes = [table.primary, ...table.unique, table.key].some(set =>
      kept.some(
        other =>
          set.every(column => other[column] === row[column]) &&
          (set === table.key || set.every(column => row[column] !== null)),
      ),
    )
    if (!clashes) kept.push(row)
  }
  return kept
}

/** Rows may have been dropped after others referred to them. */
function withoutLost(tables: readonly ModelTable[], data: Record<string, ModelRow[]>): Record<string, ModelRow[]> {
  for (let before = -1, now = 0; before !== now; ) {
    before = now
    for (const table of tables) {
      data[table.name] = (data[table.name] ?? []).filter(row =>
        table.links.every(
          ({ columns, parent, parentColumns }) =>
            columns.some(column => row[column] === null) ||
            (data[parent] ?? []).some(to => columns.every((column, i) => row[column] === to[parentColumns[i] ?? ''])),
        ),
      )
    }
    now = Object.values(data).reduce((sum, rows) => sum + rows.length, 1)
  }
  return data
}

// ---- as SQL

const TYPES: Readonly<Record<string, string>> = { nat: 'text', v: 'text' }

export function tablesSql(tables: readonly ModelTable[]): string {
  return tables
    .map(table => {
      const columns = table.columns.map(
        column => `${column} ${TYPES[column] ?? 'integer'}${table.demanded.includes(column) ? ' NOT NULL' : ''}`,
      )
      const unique = table.unique.map(set => `UNIQUE (${set.join(', ')})`)
      return `CREATE TABLE ${table.name} (${[...columns, `PRIMARY KEY (${table.primary.join(', ')})`, ...unique].join(', ')})`
    })
    .join(';\n')
}

export function foreignKeysSql(tables: readonly ModelTable[]): string[] {
  return tables.flatMap(table =>
    table.links.map(
      each =>
        `ALTER TABLE ${table.name} ADD FOREIGN KEY (${each.columns.join(', ')})
         REFERENCES ${each.parent} (${each.parentColumns.join(', ')})`,
    ),
  )
}

/** SQLite declares them with the table. */
export function tablesWithForeignKeysSql(tables: readonly ModelTable[]): string {
  return tables
    .map(table => {
      const keys = table.links.map(
        each =>
          `, FOREIGN KEY (${each.columns.join(', ')}) REFERENCES ${each.parent} (${each.parentColumns.join(', ')})`,
      )
      return tablesSql([table]).replace(/\)$/, `${keys.join('')})`)
    })
    .join(';\n')
}

export function insertSql(tables: readonly ModelTable[], data: ModelData): string {
  const literal = (value: Value): string =>
    value === null ? 'NULL' : typeof value === 'number' ? String(value) : `'${value}'`
  return tables
    .flatMap(table =>
      (data[table.name] ?? []).map(
        row =>
          `INSERT INTO ${table.name} (${table.columns.join(', ')}) VALUES (${table.columns.map(column => literal(row[column] ?? null)).join(', ')});`,
      ),
    )
    .join('\n')
}
