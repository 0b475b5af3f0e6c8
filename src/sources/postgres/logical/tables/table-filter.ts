import { AppError, isAppError } from '../../../../base/errors.ts'
import { type ConnectionSettings, type Session, withSession } from '../../../../clients/postgres/index.ts'
import type { PostgresOptions } from '../../options.ts'
import {
  amongTables,
  displayName,
  displayPart,
  isName,
  matchesName,
  type TableFilter,
  type TableName,
  toolNamePattern,
  toolTablePattern,
} from './table-pattern.ts'

/** A pattern that names no schema would find the server's own tables, too. */
const SYSTEM_TABLES = ['pg_catalog.*', 'information_schema.*', 'pg_toast*.*']

/** pg_dump's own arguments for a filter. */
export function filterArguments(filter: TableFilter): string[] {
  const system = filter.tables.length === 0 ? [] : SYSTEM_TABLES
  return [
    ...filter.tables.flatMap(pattern => ['--table', toolTablePattern(pattern)]),
    ...filter.excludeTables.flatMap(pattern => ['--exclude-table', toolTablePattern(pattern)]),
    ...system.flatMap(pattern => ['--exclude-table', pattern]),
    ...filter.schemas.flatMap(pattern => ['--schema', toolNamePattern(pattern)]),
    ...filter.excludeSchemas.flatMap(pattern => ['--exclude-schema', toolNamePattern(pattern)]),
  ]
}

type FilterOptions = TableFilter & Pick<PostgresOptions, 'excludeTableData'>

/** What patterns can name: tables, and what pg_dump counts as such (views, sequences, ...). */
interface Nameable {
  readonly relations: readonly TableName[]
  readonly schemas: readonly string[]
}

/**
 * Throws `source-invalid` for a pattern that selects nothing in any of the databases, for a name to leave out that is
 * in none, and for a database of which nothing is left: what comes of a misspelled name is a backup without what was
 * meant, or with what was not.
 */
export async function checkFilter(
  settings: ConnectionSettings,
  databases: readonly string[],
  options: FilterOptions,
  signal: AbortSignal,
): Promise<void> {
  if (filterArguments(options).length + options.excludeTableData.length === 0) return
  const all: Nameable[] = []
  for (const database of databases) {
    const there = await withSession(settings, { database, signal }, listNameable).catch((error: unknown) => {
      // One of several that can't be opened is told when it is to be captured.
      if (databases.length === 1 || !isAppError(error) || error.code === 'interrupted') throw error
      return undefined
    })
    if (there === undefined) continue
    if (databases.length > 1) requireSome(options, there, database)
    all.push(there)
  }
  requireMatches(options, {
    relations: all.flatMap(each => each.relations),
    schemas: [...new Set(all.flatMap(each => each.schemas))],
  })
}

async function listNameable(session: Session): Promise<Nameable> {
  const own = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
  const relations = await session.query<{ schema: string; name: string }>(
    `SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't' AND ${own} ORDER BY 1, 2`,
  )
  const schemas = await session.query<{ name: string }>(
    `SELECT n.nspname AS name FROM pg_namespace n WHERE ${own} ORDER BY 1`,
  )
  return { relations, schemas: schemas.map(row => row.name) }
}

/** pg_dump fails where nothing fits. */
function requireSome(options: FilterOptions, there: Nameable, database: string): void {
  const { tables, schemas } = options
  const some =
    (tables.length === 0 || tables.some(amongTables(there.relations))) &&
    (schemas.length === 0 || schemas.some(pattern => there.schemas.some(each => matchesName(pattern, each))))
  if (some) return
  throw new AppError('source-invalid', `nothing in database ${database} fits ${[...tables, ...schemas].join(', ')}`, {
    hint: 'Name the databases that these patterns are for in "databases", and others in a source of their own.',
  })
}

function requireMatches(options: FilterOptions, there: Nameable): void {
  const tables = amongTables(there.relations)
  const schemas = (pattern: string): boolean => there.schemas.some(schema => matchesName(pattern, schema))
  requireEach('tables', options.tables, tables, there)
  requireEach('schemas', options.schemas, schemas, there)
  requireEach('excludeTables', options.excludeTables.filter(isName), tables, there)
  requireEach('excludeSchemas', options.excludeSchemas.filter(isName), schemas, there)
  requireEach('excludeTableData', options.excludeTableData.filter(isName), tables, there)
}

function requireEach(
  option: string,
  patterns: readonly string[],
  isThere: (pattern: string) => boolean,
  there: Nameable,
): void {
  const missing = patterns.find(pattern => !isThere(pattern))
  if (missing === undefined) return
  const isSchema = option.toLowerCase().endsWith('schemas')
  const names = isSchema ? there.schemas.map(displayPart) : there.relations.map(displayName)
  throw new AppError('source-invalid', `${option}: no ${isSchema ? 'schema' : 'table'} fits ${missing}`, {
    hint: `${listNames(names)} Capitals, spaces and dots need double quotes: '"My Shop"."Order"'.`,
    context: { option, pattern: missing },
  })
}

const SHOWN = 20

/** `There are: a, b and 12 more.` */
export function listNames(names: readonly string[]): string {
  if (names.length === 0) return 'There are none.'
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : ''
  return `There are: ${names.slice(0, SHOWN).join(', ')}${more}.`
}
