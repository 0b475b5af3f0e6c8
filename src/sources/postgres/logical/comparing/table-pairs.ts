import type { ComparedTable } from '../../../../model/row-comparison.ts'
import type { Side } from '../../../row-matcher.ts'
import type { SideRows, SideTable } from './side-rows.ts'

/** A table of two sides: what of it can be compared. */
export interface PairedTable extends Pick<ComparedTable, 'presence' | 'columnsOnlyBefore' | 'columnsOnlyAfter'> {
  readonly name: string
  readonly before: SideTable | undefined
  readonly after: SideTable | undefined
  /** Both sides have it, and its rows. */
  readonly isShared: boolean
  /** Of both sides, in the order of `before`. */
  readonly columns: readonly string[]
  /** Empty: there is no primary key that both have. */
  readonly key: readonly string[]
  readonly problem: string | undefined
}

/** In the order in which `before` has them, then the others: both sides are read in it. */
export function pairTables({ before, after }: Readonly<Record<Side, SideRows>>): PairedTable[] {
  const names = new Set([...before.tables.keys(), ...after.tables.keys()])
  return [...names].map(name => pairOf(name, before.tables.get(name), after.tables.get(name)))
}

function pairOf(name: string, before: SideTable | undefined, after: SideTable | undefined): PairedTable {
  const [old, young] = [before?.columns ?? [], after?.columns ?? []]
  const columns = old.filter(column => young.includes(column))
  const isShared = before !== undefined && after !== undefined
  const problem = before?.problem ?? after?.problem
  const strangers = isShared && columns.length === 0 ? 'the two have no column in common' : undefined
  return {
    name,
    before,
    after,
    isShared,
    presence: isShared ? 'both' : before === undefined ? 'after' : 'before',
    columns,
    key: isShared ? keyOf(before, after, columns) : [],
    columnsOnlyBefore: isShared && problem === undefined ? old.filter(column => !young.includes(column)) : [],
    columnsOnlyAfter: isShared && problem === undefined ? young.filter(column => !old.includes(column)) : [],
    problem: problem ?? strangers,
  }
}

/** Manifests of early versions do not say it: then the other side does. */
function keyOf(before: SideTable, after: SideTable, columns: readonly string[]): readonly string[] {
  const old = before.key ?? after.key ?? []
  const young = after.key ?? old
  const alike = old.length === young.length && old.every(column => young.includes(column) && columns.includes(column))
  return alike ? columns.filter(column => old.includes(column)) : []
}
