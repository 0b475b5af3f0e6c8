import { AppError } from '../../../base/errors.ts'
import {
  findPostgresTools,
  type PostgresTools,
  quoteIdentifier,
  type Session,
} from '../../../clients/postgres/index.ts'
import type { Finding } from '../../../model/finding.ts'
import type { PostgresOptions } from '../options.ts'

/** The `datconnlimit` of a database whose DROP was interrupted; see DATCONNLIMIT_INVALID_DB in PostgreSQL's pg_database.h. */
const INVALID = -2

export async function fittingTools(session: Session, options: PostgresOptions): Promise<PostgresTools> {
  return await findPostgresTools(session, options.binDir)
}

export async function isSuperuser(session: Session): Promise<boolean> {
  const [row] = await session.query<{ super: boolean }>(
    'SELECT rolsuper AS super FROM pg_roles WHERE rolname = current_user',
  )
  return row?.super === true
}

export interface ChosenDatabases {
  readonly names: string[]
  /** Those that can't be captured, each with why: a warning where all were asked for, an error where it was named. */
  readonly leftOut: Finding[]
}

interface DatabaseRow {
  readonly name: string
  readonly open: boolean
  readonly invalid: boolean
}

/** The databases to capture. Throws `source-unreachable` when one of a list is missing, or none is left. */
export async function chooseDatabases(session: Session, options: PostgresOptions): Promise<ChosenDatabases> {
  const wanted = options.databases
  if (wanted === undefined) return { names: [session.database], leftOut: [] }
  const there = await session.query<DatabaseRow & Record<string, unknown>>(
    `SELECT datname AS name, datallowconn AS open, datconnlimit = ${INVALID} AS invalid
     FROM pg_database WHERE NOT datistemplate ORDER BY 1`,
  )
  const missing = wanted === 'all' ? [] : wanted.filter(name => there.every(row => row.name !== name))
  if (missing.length === 0) {
    const byName = new Map(there.map(row => [row.name, row]))
    const chosen = wanted === 'all' ? there : [...new Set(wanted)].flatMap(name => byName.get(name) ?? [])
    const usable = chosen.filter(row => row.open && !row.invalid)
    const leftOut = chosen.filter(row => !usable.includes(row)).map(row => leftOutFinding(row, wanted === 'all'))
    if (usable.length > 0) return { names: usable.map(row => row.name), leftOut }
    const [first] = leftOut
    const hint = first?.hint ?? 'Name a database in the url, or list some in "databases" of the source.'
    throw new AppError(
      'source-invalid',
      first ? `${first.subject}: ${first.message}` : 'the server has no database to capture',
      { hint },
    )
  }
  throw new AppError('source-unreachable', `there is no database ${missing.join(', ')}`, {
    hint: `The server has: ${there.map(row => row.name).join(', ')}. Mend "databases" of the source.`,
  })
}

function leftOutFinding({ name, invalid }: DatabaseRow, all: boolean): Finding {
  const own = quoteIdentifier(name)
  return {
    severity: all ? 'warning' : 'error',
    code: invalid ? 'database-invalid' : 'database-closed',
    subject: `database ${name}`,
    message: invalid
      ? 'it was left out: a DROP DATABASE of it was interrupted, and nobody can use what is left'
      : 'it was left out: it allows no connections',
    hint: invalid
      ? `Drop it: DROP DATABASE ${own};`
      : `As a superuser run: ALTER DATABASE ${own} WITH ALLOW_CONNECTIONS true; or list the others in "databases" of the source.`,
  }
}
