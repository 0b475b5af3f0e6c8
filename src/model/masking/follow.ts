import type { MaskableColumn, MaskableTable, PlanProblem, RuledColumn } from './maskable.ts'
import { describeRule, domainOf, isDerived, type MaskRule } from './rules.ts'

/** One column that refers to another. */
interface Reference {
  readonly name: string
  readonly child: ColumnOfTable
  readonly parent: ColumnOfTable
}

interface ColumnOfTable {
  readonly table: MaskableTable
  readonly column: MaskableColumn
}

/**
 * A column that refers to a masked one is masked as that is, whether its table names it or not; a rule of its own that
 * would tear the two apart is a problem. NULL refers to nothing and is always allowed.
 */
export function followForeignKeys(
  named: readonly RuledColumn[],
  tables: readonly MaskableTable[],
  problems: PlanProblem[],
): RuledColumn[] {
  const ruled = new Map(named.map(each => [idOf(each), each]))
  const references = referencesOf(tables)
  for (let changed = true; changed; ) {
    changed = false
    for (const { child, parent } of references) {
      const above = ruled.get(idOf(parent))
      if (above === undefined || above.rule.kind === 'keep' || ruled.has(idOf(child))) continue
      ruled.set(idOf(child), { ...child, rule: above.rule, at: above.at, follows: nameOf(parent) })
      changed = true
    }
  }
  for (const reference of references) {
    const problem = conflictOf(reference, ruled.get(idOf(reference.child)), ruled.get(idOf(reference.parent)))
    if (problem) problems.push(problem)
  }
  return [...ruled.values()]
}

function conflictOf(
  { name, child, parent }: Reference,
  below: RuledColumn | undefined,
  above: RuledColumn | undefined,
): PlanProblem | undefined {
  const at = below?.at ?? above?.at ?? ''
  if (above !== undefined && (above.rule.kind === 'sql' || above.rule.kind === 'fixed' || above.rule.kind === 'null')) {
    const message = `${nameOf(parent)} cannot be masked with ${describeRule(above.rule)}: ${nameOf(child)} refers to it (foreign key ${name})`
    return { at: above.at, message: `${message}; use hash or format` }
  }
  if (below === undefined || below.rule.kind === 'null' || sameRule(below.rule, above?.rule)) return undefined
  const other = above === undefined ? 'is not masked' : `is masked with ${describeRule(above.rule)}`
  const message = `${nameOf(child)} refers to ${nameOf(parent)} (foreign key ${name}), which ${other}`
  return { at, message: `${message}: give both the same rule, or leave ${nameOf(child)} out` }
}

/** No rule leaves the value as it is, as `keep` does. */
function sameRule(a: MaskRule, b: MaskRule | undefined): boolean {
  if (isDerived(a)) return b !== undefined && isDerived(b) && a.kind === b.kind && domainOf(a) === domainOf(b)
  return a.kind === 'keep' && (b === undefined || b.kind === 'keep')
}

function referencesOf(tables: readonly MaskableTable[]): Reference[] {
  const byKey = new Map(tables.map(table => [table.key, table]))
  return tables.flatMap(table =>
    table.foreignKeys.flatMap(key => {
      const target = byKey.get(key.table)
      return key.columns.flatMap((name, i) => {
        const column = table.columns.find(each => each.name === name)
        const referred = target?.columns.find(each => each.name === key.refColumns[i])
        if (!column || !target || !referred) return []
        return [{ name: key.name, child: { table, column }, parent: { table: target, column: referred } }]
      })
    }),
  )
}

const idOf = ({ table, column }: ColumnOfTable): string => `${table.key}\0${column.name}`
const nameOf = ({ table, column }: ColumnOfTable): string => `${table.key}.${column.name}`
