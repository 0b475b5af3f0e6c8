import { AppError } from '../../../../base/errors.ts'
import { quoteIdentifier } from '../../../../clients/postgres/index.ts'

export interface TableName {
  readonly schema: string
  readonly name: string
}

/** Which tables and schemas a person wants. Patterns as psql's and pg_dump's: `film`, `shop.*`, `"Order"`, `log_?`. */
export interface TableFilter {
  readonly tables: readonly string[]
  readonly excludeTables: readonly string[]
  readonly schemas: readonly string[]
  readonly excludeSchemas: readonly string[]
}

/** A name that can be typed as it is, on a command line or in SQL; any other is quoted. */
const PLAIN_NAME = /^[a-z_][a-z0-9_$]*$/

/** `public.film`, `"my shop"."Order"`: never the same for two tables, and a pattern that fits this table alone. */
export function displayName(table: TableName): string {
  return `${displayPart(table.schema)}.${displayPart(table.name)}`
}

export function displayPart(name: string): string {
  return PLAIN_NAME.test(name) ? name : quoteIdentifier(name)
}

/** Whether a capture with the filter takes a table. A table without a schema in its pattern fits in any. */
export function selector(filter: TableFilter): (table: TableName) => boolean {
  const [wanted, left] = [anyTable(filter.tables), anyTable(filter.excludeTables)]
  return table => {
    const inSchema = (pattern: string): boolean => matchesName(pattern, table.schema)
    if (left(table) || filter.excludeSchemas.some(inSchema)) return false
    // As pg_dump: with --table, --schema says nothing about tables.
    if (filter.tables.length > 0) return wanted(table)
    return filter.schemas.length === 0 || filter.schemas.some(inSchema)
  }
}

/** Whether one of them fits. Patterns that name one table are looked up: there may be as many as tables. */
export function anyTable(patterns: readonly string[]): (table: TableName) => boolean {
  const names = new Set(patterns.flatMap(pattern => (isName(pattern) ? [nameKey(tablePattern(pattern))] : [])))
  const wild = patterns.filter(pattern => !isName(pattern)).map(test)
  return table =>
    names.has(keyOf(table.schema, table.name)) || names.has(keyOf('', table.name)) || wild.some(fits => fits(table))
}

/** Whether a pattern fits one of the tables. */
export function amongTables(tables: readonly TableName[]): (pattern: string) => boolean {
  const names = new Set(tables.flatMap(({ schema, name }) => [keyOf(schema, name), keyOf('', name)]))
  return pattern => (isName(pattern) ? names.has(nameKey(tablePattern(pattern))) : tables.some(test(pattern)))
}

/** Without a schema: in any. No schema is called that. */
function keyOf(schema: string, name: string): string {
  return `${schema}\0${name}`
}

function nameKey({ schema = [], name }: TablePattern): string {
  const text = (part: Part): string => part.map(piece => piece.slice(1)).join('')
  return keyOf(text(schema), text(name))
}

function test(pattern: string): (table: TableName) => boolean {
  const { schema, name } = tablePattern(pattern)
  const [inSchema, called] = [schema && toRegExp(schema), toRegExp(name)]
  return table => (inSchema === undefined || inSchema.test(table.schema)) && called.test(table.name)
}

export function matchesTable(pattern: string, table: TableName): boolean {
  return test(pattern)(table)
}

export function matchesName(pattern: string, name: string): boolean {
  return toRegExp(namePattern(pattern)).test(name)
}

/** The same as a pattern of pg_dump, which would take other characters for those of a regular expression. */
export function toolTablePattern(pattern: string): string {
  const { schema, name } = tablePattern(pattern)
  // Without a schema pg_dump would look along the search path only.
  return `${schema === undefined ? '*' : toTool(schema)}.${toTool(name)}`
}

export function toolNamePattern(pattern: string): string {
  return toTool(namePattern(pattern))
}

/** True when it names one thing, not any that fit. */
export function isName(pattern: string): boolean {
  return split(pattern).every(part => part.every(piece => piece !== '*' && piece !== '?'))
}

/** Text to be taken as it is has a `"` before it; the wildcards stand alone. */
type Piece = '*' | '?' | `"${string}`
type Part = readonly Piece[]

interface TablePattern {
  readonly schema: Part | undefined
  readonly name: Part
}

function tablePattern(pattern: string): TablePattern {
  const [first, second, ...more] = split(pattern)
  if (first === undefined || more.length > 0) throw invalid(pattern)
  return second === undefined ? { schema: undefined, name: first } : { schema: first, name: second }
}

/** A schema's: nothing is separated by dots in it. */
function namePattern(pattern: string): Part {
  const parts = split(pattern)
  return parts.flatMap((part, i) => (i === 0 ? part : ['".' as const, ...part]))
}

const known = new Map<string, Part[]>()

/** At the dots outside of double quotes; letters outside of them are folded as SQL folds them, A to Z only. */
function split(pattern: string): readonly Part[] {
  const found = known.get(pattern)
  if (found) return found
  const parts: Piece[][] = [[]]
  let quoted = false
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i] ?? ''
    const pieces = parts.at(-1) ?? []
    if (char === '"' && quoted && pattern[i + 1] === '"') i++
    else if (char === '"') {
      quoted = !quoted
      continue
    } else if (char === '.' && !quoted) {
      parts.push([])
      continue
    } else if (!quoted && (char === '*' || char === '?')) {
      pieces.push(char)
      continue
    }
    const text = quoted ? char : char.replace(/[A-Z]/, letter => letter.toLowerCase())
    const last = pieces.at(-1)
    if (last?.startsWith('"') === true) pieces[pieces.length - 1] = `${last as `"${string}`}${text}`
    else pieces.push(`"${text}`)
  }
  if (quoted || parts.some(part => part.length === 0)) throw invalid(pattern)
  known.set(pattern, parts)
  return parts
}

function toRegExp(part: Part): RegExp {
  const source = part.map(piece => {
    if (piece === '*') return '.*'
    return piece === '?' ? '.' : piece.slice(1).replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
  })
  return new RegExp(`^${source.join('')}$`, 'su')
}

function toTool(part: Part): string {
  return part.map(piece => (piece === '*' || piece === '?' ? piece : quoteIdentifier(piece.slice(1)))).join('')
}

function invalid(pattern: string): AppError {
  return new AppError('usage', `${pattern} is not a table pattern`, {
    hint: 'Write "table" or "schema.table"; * and ? are wildcards. Double quotes keep capitals, spaces and dots: \'"My Shop"."Order"\'.',
  })
}
