import { type AppError, isAppError } from '../../../base/errors.ts'
import {
  type ConnectionSettings,
  describeConnection,
  quoteIdentifier,
  type Session,
  withSession,
} from '../../../clients/postgres/index.ts'
import type { Finding } from '../../../model/finding.ts'
import type { SourceContext } from '../../source.ts'
import type { PostgresOptions } from '../options.ts'
import { listTables } from './capture/database-snapshot.ts'
import { findPathFunctions } from './capture/path-functions.ts'
import { readSearchPath } from './search-path.ts'
import { chooseDatabases, fittingTools, isSuperuser } from './server-facts.ts'
import { checkFilter } from './tables/table-filter.ts'

/** What stands in the way of a capture, each with the command that mends it. Throws when the server can't be asked. */
export async function probeLogical(
  name: string,
  settings: ConnectionSettings,
  options: PostgresOptions,
  context: SourceContext,
): Promise<Finding[]> {
  const { signal } = context
  const start = await withSession(settings, { signal }, async session => {
    await fittingTools(session, options)
    return { ...(await chooseDatabases(session, options)), superuser: await isSuperuser(session) }
  })
  await checkFilter(settings, start.names, options, signal)
  const findings: Finding[] = [...start.leftOut]
  if (options.globals && !start.superuser) findings.push(passwordsUnread(name, settings))
  for (const database of start.names) {
    const probing = withSession(settings, { database, signal }, session => probeDatabase(session, options))
    const found = await probing.catch((error: unknown) => {
      if (start.names.length === 1 || !isAppError(error) || error.code === 'interrupted') throw error
      return [databaseUnreadable(database, error)]
    })
    findings.push(...found)
  }
  return findings
}

function databaseUnreadable(database: string, { code, message, hint }: AppError): Finding {
  return { severity: 'error', code, subject: `database ${database}`, message, ...(hint === undefined ? {} : { hint }) }
}

async function probeDatabase(session: Session, options: PostgresOptions): Promise<Finding[]> {
  const tables = await listTables(session, options)
  const [row] = await session.query<{ unreadable: string[]; hidden: string[] }>(
    `SELECT coalesce(array_agg(t.name) FILTER (WHERE NOT has_table_privilege(t.oid, 'SELECT')), '{}') AS unreadable,
       coalesce(array_agg(t.name) FILTER (WHERE row_security_active(t.oid)), '{}') AS hidden
     FROM (SELECT c.oid, n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest($1::text[], $2::text[]))) t`,
    [tables.map(table => table.schema), tables.map(table => table.name)],
  )
  const searchPath = await readSearchPath(session)
  const user = quoteIdentifier(session.settings.user)
  const subject = describeConnection(session.settings, session.database)
  const findings: Finding[] = await findPathFunctions(session, searchPath)
  if (tables.length === 0)
    findings.push({ severity: 'info', code: 'no-tables', subject, message: 'no table is selected' })
  if (row && row.unreadable.length > 0) {
    findings.push({
      severity: 'error',
      code: 'table-unreadable',
      subject,
      message: `user ${session.settings.user} may not read ${some(row.unreadable)}`,
      hint: `As a superuser run: GRANT pg_read_all_data TO ${user};`,
      affects: row.unreadable,
    })
  }
  if (row && row.hidden.length > 0) {
    findings.push({
      severity: 'error',
      code: 'rows-hidden',
      subject,
      message: `row security hides rows from user ${session.settings.user} in ${some(row.hidden)}`,
      hint: `As a superuser run: ALTER ROLE ${user} BYPASSRLS;`,
      affects: row.hidden,
    })
  }
  return findings
}

function passwordsUnread(name: string, settings: ConnectionSettings): Finding {
  return {
    severity: 'info',
    code: 'role-passwords-missing',
    subject: `source ${name}`,
    message: `user ${settings.user} is no superuser: roles are captured without their passwords`,
    hint: `Nothing needs to be done where you know the passwords, or set them anew after a restore. Name a superuser in the url to capture them, or set "globals: false" to leave roles out.`,
  }
}

function some(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ')
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown
}
