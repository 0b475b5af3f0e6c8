import { AppError } from '../../../base/errors.ts'
import { quoteIdentifier, type Session } from '../../../clients/postgres/index.ts'

/** What a server looks up names in where nobody says otherwise. */
export const DEFAULT_SEARCH_PATH = '"$user", public'

const setting = (database: string, role: string): string =>
  `(SELECT substr(c, ${'search_path='.length + 1}) FROM pg_db_role_setting s, unnest(s.setconfig) c
    WHERE s.setdatabase = ${database} AND s.setrole = ${role} AND c LIKE 'search\\_path=%' LIMIT 1)`

/**
 * Where the application's sessions look up names in this database, as far as it is written down: its owner's setting, or its
 * own, or the server's. Our own sessions look nowhere but in pg_catalog, and pg_restore's nowhere at all: functions whose
 * bodies name things without a schema work for the application, and not for them.
 */
export async function readSearchPath(session: Session): Promise<string> {
  const [row] = await session.query<{ path: string | null; own: string | null }>(
    `SELECT (SELECT nspname FROM pg_namespace WHERE nspname = pg_get_userbyid(d.datdba)) AS own, coalesce(${setting('d.oid', 'd.datdba')}, ${setting('0', 'd.datdba')},
       ${setting('d.oid', '0')}, (SELECT reset_val FROM pg_settings WHERE name = 'search_path'
         AND ${setting('d.oid', 'me.oid')} IS NULL AND ${setting('0', 'me.oid')} IS NULL)) AS path
     FROM pg_database d, pg_roles me WHERE d.datname = current_database() AND me.rolname = current_user`,
  )
  const path = row?.path ?? DEFAULT_SEARCH_PATH
  if (row?.own) return path.replace('"$user"', quoteIdentifier(row.own))
  return path.replace(/"\$user"(?:, ?)?/, '') || '""'
}

/** For the rest of the transaction, or of the savepoint. */
export async function setSearchPath(session: Session, path: string): Promise<void> {
  await session.query(`SELECT set_config('search_path', $1, true)`, [path])
}

/** A transaction of its own under this path: all of the statements, or none. Returns the server's error. */
export async function tryUnder(session: Session, path: string, sql: string): Promise<AppError | undefined> {
  try {
    await session.query('BEGIN')
    await setSearchPath(session, path)
    await session.query(sql)
    await session.query('COMMIT')
    return undefined
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'interrupted' || session.broken) throw error
    await session.query('ROLLBACK')
    return error
  }
}
