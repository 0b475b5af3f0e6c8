import type { ConflictRule } from '../../src/model/merge-rules.ts'

/** A table with its merge rule, for `merge-model.ts`. */
export interface ModelTable {
  readonly name: string
  readonly columns: readonly string[]
  /** `NOT NULL`. */
  readonly demanded: readonly string[]
  readonly primary: readonly string[]
  readonly unique: ReadonlyArray<readonly string[]>
  readonly links: readonly ModelLink[]
  readonly key: readonly string[]
  readonly onConflict: ConflictRule
  /** The column of `newer`. */
  readonly newerBy: string
}

export interface ModelLink {
  readonly columns: readonly string[]
  readonly parent: string
  readonly parentColumns: readonly string[]
}

export type Value = number | string | null
export type ModelRow = Readonly<Record<string, Value>>
export type ModelData = Readonly<Record<string, readonly ModelRow[]>>

export const same = (a: ModelRow, b: ModelRow, columns: readonly string[], as: readonly string[] = columns): boolean =>
  columns.every((column, i) => (a[column] ?? null) === (b[as[i] ?? ''] ?? null))

/** As a unique constraint sees it: NULL is like nothing. */
export const clash = (a: ModelRow, b: ModelRow, columns: readonly string[]): boolean =>
  same(a, b, columns) && columns.every(column => a[column] !== null)

export const present = (row: ModelRow, columns: readonly string[]): boolean =>
  columns.every(column => row[column] !== null)
export const setOf = (columns: readonly string[]): string => columns.toSorted().join()

export function compareKeys(a: ModelRow, b: ModelRow, key: readonly string[]): number {
  for (const column of key) {
    const [x, y] = [a[column] ?? null, b[column] ?? null]
    if (x === y) continue
    // Both engines are told apart by where NULLs sort; numbers given anew depend on it, so keys with NULLs have none.
    if (x === null || y === null) return x === null ? -1 : 1
    return x < y ? -1 : 1
  }
  return 0
}

export function keyLinks(table: ModelTable): ModelLink[] {
  return table.links.filter(link => link.columns.some(column => table.key.includes(column)))
}

export function withinLinks(table: ModelTable, group: readonly ModelTable[]): ModelLink[] {
  return table.links.filter(link => group.some(each => each.name === link.parent))
}

export function keptColumns(table: ModelTable, all: readonly ModelTable[]): string[] {
  const referred = all.flatMap(each => each.links.filter(link => link.parent === table.name))
  return [...new Set([...table.key, ...table.primary, ...referred.flatMap(link => link.parentColumns)])]
}

/** Unique sets beside the key; a number that can be given anew clashes with nothing. */
export function uniques(table: ModelTable): ReadonlyArray<readonly string[]> {
  const [id = '', ...more] = table.primary
  const numbered = more.length === 0 && !table.key.includes(id) && !table.links.some(link => link.columns.includes(id))
  return [...table.unique, ...(numbered ? [] : [table.primary])].filter(set => setOf(set) !== setOf(table.key))
}

export function updatable(
  table: ModelTable,
  all: readonly ModelTable[],
  group: readonly ModelTable[],
): { now: string[]; later: string[] } {
  const within = new Set(withinLinks(table, group).flatMap(link => link.columns))
  const free = table.columns.filter(column => !keptColumns(table, all).includes(column))
  return {
    now: free.filter(column => !within.has(column)),
    later: free.filter(column => within.has(column) && !uniques(table).flat().includes(column)),
  }
}
