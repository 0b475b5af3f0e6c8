import { AppError } from '../../../base/errors.ts'
import { findPostgresTools, type PostgresTools, type Session } from '../../../clients/postgres/index.ts'
import type { PostgresOptions } from '../options.ts'

export async function fittingTools(session: Session, options: PostgresOptions): Promise<PostgresTools> {
  return await findPostgresTools(session, options.binDir)
}

export async function isSuperuser(session: Session): Promise<boolean> {
  const [row] = await session.query<{ super: boolean }>(
    'SELECT rolsuper AS super FROM pg_roles WHERE rolname = current_user',
  )
  return row?.super === true
}

/** Names of the databases to capture. Throws `source-unreachable` when one of a list is missing. */
export async function chooseDatabases(session: Session, options: PostgresOptions): Promise<string[]> {
  const wanted = options.databases
  if (wanted === undefined) return [session.database]
  const rows = await session.query<{ name: string }>(
    'SELECT datname AS name FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1',
  )
  const there = rows.map(row => row.name)
  if (wanted === 'all') return there
  const missing = wanted.filter(name => !there.includes(name))
  if (missing.length === 0) return [...new Set(wanted)]
  throw new AppError('source-unreachable', `there is no database ${missing.join(', ')}`, {
    hint: `The server has: ${there.join(', ')}. Mend "databases" of the source.`,
  })
}
