import { AppError } from '../../../base/errors.ts'

export interface TableName {
  readonly schema: string
  readonly name: string
}

/** Which tables and schemas a person wants. Patterns are pg_dump's: `film`, `shop.*`, `"Order"`, `log_?`. */
export interface TableFilter {
  readonly tables: readonly string[]
  readonly excludeTables: readonly string[]
  readonly schemas: readonly string[]
  readonly excludeSchemas: readonly string[]
}

/** pg_dump's own arguments for a filter. */
export function filterArguments(filter: TableFilter): string[] {
  return [
    ...filter.tables.flatMap(pattern => ['--table', pattern]),
    ...filter.excludeTables.flatMap(pattern => ['--exclude-table', pattern]),
    ...filter.schemas.flatMap(pattern => ['--schema', pattern]),
    ...filter.excludeSchemas.flatMap(pattern => ['--exclude-schema', pattern]),
  ]
}

/** Whether pg_dump, given the filter, takes this table. A table without a schema in its pattern fits in any. */
export function selects(filter: TableFilter, table: TableName): boolean {
  const fits = (pattern: string): boolean => matchesTable(pattern, table)
  const inSchema = (pattern: string): boolean => matchesName(pattern, table.schema)
  if (filter.excludeTables.some(fits) || filter.excludeSchemas.some(inSchema)) return false
  // As pg_dump: with --table, --schema says nothing about tables.
  if (filter.tables.length > 0) return filter.tables.some(fits)
  return filter.schemas.length === 0 || filter.schemas.some(inSchema)
}

export function matchesTable(pattern: string, table: TableName): boolean {
  const [first, second] = splitPattern(pattern)
  if (second === undefined) return toRegExp(first).test(table.name)
  return toRegExp(first).test(table.schema) && toRegExp(second).test(table.name)
}

export function matchesName(pattern: string, name: string): boolean {
  return toRegExp(pattern).test(name)
}

/** At the dot outside of quotes. Throws `usage` for three parts or an open quote. */
function splitPattern(pattern: string): [string, string | undefined] {
  const parts = ['']
  let quoted = false
  for (const char of pattern) {
    if (char === '"') quoted = !quoted
    if (char === '.' && !quoted) parts.push('')
    else parts[parts.length - 1] += char
  }
  if (quoted || parts.length > 2 || parts.includes('')) {
    throw new AppError('usage', `${pattern} is not a table pattern`, {
      hint: 'Write "table" or "schema.table"; * and ? are wildcards, double quotes keep capital letters.',
    })
  }
  return [parts[0] ?? '', parts[1]]
}

const compiled = new Map<string, RegExp>()

/** `*` and `?` are wildcards; outside of double quotes letters are folded to lower case. @see psql's "Patterns" */
function toRegExp(pattern: string): RegExp {
  const known = compiled.get(pattern)
  if (known) return known
  let source = ''
  let quoted = false
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i] ?? ''
    if (char === '"' && quoted && pattern[i + 1] === '"') {
      source += '"'
      i++
    } else if (char === '"') quoted = !quoted
    else if (!quoted && char === '*') source += '.*'
    else if (!quoted && char === '?') source += '.'
    else source += (quoted ? char : char.toLowerCase()).replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  }
  const expression = new RegExp(`^${source}$`, 's')
  compiled.set(pattern, expression)
  return expression
}
