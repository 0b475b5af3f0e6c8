import type { RuledColumn, ValueType } from './maskable.ts'
import { type DerivedKind, describeRule, isDerived } from './rules.ts'

/** Which types a kind knows to write. SQLite's `any` takes whatever it is given. */
const TYPES: Readonly<Record<DerivedKind, readonly ValueType[]>> = {
  hash: ['any', 'text', 'integer', 'decimal', 'uuid', 'bytes'],
  format: ['any', 'text', 'integer', 'decimal', 'uuid', 'bytes', 'date', 'network'],
  text: ['any', 'text'],
  email: ['any', 'text'],
  name: ['any', 'text'],
  phone: ['any', 'text', 'integer'],
}

/** Why a rule can't be what becomes of its column, as far as the schema tells; undefined when it can. */
export function fitProblem({ table, column, rule }: RuledColumn): string | undefined {
  const name = `${table.key}.${column.name}`
  if (rule.kind === 'keep') return undefined
  if (column.generated) return `${name} is computed from other columns: mask those instead`
  if (rule.kind === 'null' && column.notNull) return `${name} cannot become null: it is NOT NULL`
  if (isDerived(rule) && !TYPES[rule.kind].includes(column.type)) {
    const fitting = (Object.keys(TYPES) as DerivedKind[]).filter(kind => TYPES[kind].includes(column.type))
    const others = [...fitting, 'fixed', 'null', 'sql'].join(', ')
    return `${name} is of type ${column.typeName}, which ${rule.kind} cannot write (possible: ${others})`
  }
  if (rule.kind === 'fixed') return fixedProblem({ table, column, rule, at: '' }, name)
  return undefined
}

function fixedProblem({ table, column, rule }: RuledColumn, name: string): string | undefined {
  const alone = table.unique.find(each => each.columns.length === 1 && each.columns[0] === column.name)
  if (alone) return `${name} cannot be the same in every row: constraint ${alone.name} wants it unique`
  if (rule.kind !== 'fixed') return undefined
  const { value } = rule
  const numeric = column.type === 'integer' || column.type === 'decimal'
  const number = typeof value === 'number' || (typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value))
  if (numeric && !number) return `${name} is of type ${column.typeName}, and ${describeRule(rule)} is not a number`
  if (column.maxChars !== undefined && Array.from(String(value)).length > column.maxChars) {
    return `${name} takes ${column.maxChars} characters at most, and ${describeRule(rule)} is longer`
  }
  return undefined
}
