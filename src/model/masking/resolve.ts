import { suggest } from '../../base/suggest.ts'
import type { MaskableTable, PlanProblem, RuledColumn } from './maskable.ts'
import type { ColumnRule, TableRules } from './rules.ts'

/** Every rule with the column that it names, those of a parent for its partitions too. Unknown names become problems. */
export function resolveRules(
  rules: readonly TableRules[],
  tables: readonly MaskableTable[],
  foldCase: boolean,
  problems: PlanProblem[],
): RuledColumn[] {
  const found: RuledColumn[] = []
  for (const each of rules) {
    const table = findTable(each, tables, foldCase, problems)
    if (table === undefined) continue
    for (const rule of each.columns) {
      const ruled = findColumn(rule, table, foldCase, problems)
      if (ruled === undefined) continue
      if (found.some(other => other.table === table && other.column === ruled.column)) {
        problems.push({ at: rule.at, message: `${table.key}.${ruled.column.name} has two rules` })
      } else found.push(ruled)
    }
  }
  return [...found, ...inherited(found, tables)]
}

function sameName(a: string, b: string, foldCase: boolean): boolean {
  return a === b || (foldCase && a.toLowerCase() === b.toLowerCase())
}

function findTable(
  rules: TableRules,
  tables: readonly MaskableTable[],
  foldCase: boolean,
  problems: PlanProblem[],
): MaskableTable | undefined {
  const exact = tables.find(table => sameName(table.key, rules.table, foldCase))
  if (exact) return exact
  const named = tables.filter(table => sameName(table.name, rules.table, foldCase))
  const only = named.find(table => table.schema === 'public') ?? (named.length === 1 ? named[0] : undefined)
  if (only) return only
  if (named.length > 1) {
    const keys = named.map(table => table.key).join(', ')
    problems.push({ at: rules.at, message: `there are several tables ${rules.table}: say which of ${keys}` })
    return undefined
  }
  const meant = suggest(
    rules.table,
    tables.flatMap(table => [table.name, table.key]),
  )
  problems.push({ at: rules.at, message: `there is no table "${rules.table}"${ask(meant)}` })
  return undefined
}

function findColumn(
  rule: ColumnRule,
  table: MaskableTable,
  foldCase: boolean,
  problems: PlanProblem[],
): RuledColumn | undefined {
  const column =
    table.columns.find(each => each.name === rule.column) ??
    table.columns.find(each => sameName(each.name, rule.column, foldCase))
  if (column) return { table, column, rule: rule.rule, at: rule.at }
  const names = table.columns.map(each => each.name)
  const meant = ask(suggest(rule.column, names))
  const message = `table ${table.key} has no column "${rule.column}"${meant || ` (it has ${names.join(', ')})`}`
  problems.push({ at: rule.at, message })
  return undefined
}

const ask = (meant: string | undefined): string => (meant === undefined ? '' : `; did you mean "${meant}"?`)

/** Rules of a table hold for its partitions, and theirs. */
function inherited(named: readonly RuledColumn[], tables: readonly MaskableTable[]): RuledColumn[] {
  const taken = new Set(named.map(({ table, column }) => `${table.key}\0${column.name}`))
  const added: RuledColumn[] = []
  const queue = [...named]
  for (let from = queue.shift(); from !== undefined; from = queue.shift()) {
    const { key } = from.table
    for (const table of tables.filter(each => each.parents.includes(key))) {
      const column = table.columns.find(each => each.name === from.column.name)
      if (!column || taken.has(`${table.key}\0${column.name}`)) continue
      taken.add(`${table.key}\0${column.name}`)
      const ruled = { ...from, table, column }
      added.push(ruled)
      queue.push(ruled)
    }
  }
  return added
}
