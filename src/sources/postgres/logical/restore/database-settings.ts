import type { Session } from '../../../../clients/postgres/index.ts'
import { quoteIdentifier } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'

/** What an archive says of the database itself, apart from what is in it. */
export interface DatabaseStatements {
  /** The options of CREATE DATABASE: `TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = ...`. */
  readonly createOptions: string | undefined
  /** Settings, limits and its comment. */
  readonly settings: readonly string[]
  /** Grants, and settings of single roles in it. */
  readonly grants: readonly string[]
}

const NAME = '(?:"(?:[^"]|"")+"|[^\\s";]+)'
const CREATE = new RegExp(`^CREATE DATABASE ${NAME} WITH (.*);$`)
const SETTING = new RegExp(`^(ALTER DATABASE) ${NAME} ((?:SET|RESET|CONNECTION LIMIT) .*;)$`)
const COMMENT = new RegExp(`^(COMMENT ON DATABASE) ${NAME} (IS .*;)$`)
const ROLE = new RegExp(`^(ALTER ROLE ${NAME} IN DATABASE) ${NAME} (.*;)$`)
const GRANT = new RegExp(`^((?:GRANT|REVOKE) .* ON DATABASE) ${NAME} ((?:TO|FROM) .*;)$`)

/** Lines of `pg_restore --list --create` that are about the database itself. */
export function databaseLines(list: string): string[] {
  return list.split('\n').filter(line => /^\d+; \d+ \d+ (DATABASE|ACL - DATABASE|COMMENT - DATABASE)/.test(line))
}

const OPTIONAL = / (?:OWNER|TABLESPACE) = \S+/g
/** The first server that knows other providers of locales than the system's. */
const PROVIDERS_SINCE = 150_000

/** Reads what pg_restore writes for those; the statements are for a database called `name` on a server of that version. */
export function parseDatabaseStatements(sql: string, name: string, versionNumber: number): DatabaseStatements {
  const own = quoteIdentifier(name)
  const renamed = (line: string, forms: readonly RegExp[]): string[] => {
    const match = forms.map(form => form.exec(line)).find(found => found !== null)
    return match ? [`${match[1]} ${own} ${match[2]}`] : []
  }
  const lines = sql.split('\n')
  const create = lines.map(line => CREATE.exec(line)?.[1]).find(options => options !== undefined)
  // A newer pg_restore says it to an older server too, which then refuses the whole statement.
  const unknown = versionNumber < PROVIDERS_SINCE ? / (?:OWNER|TABLESPACE|LOCALE_PROVIDER) = \S+/g : OPTIONAL
  return {
    createOptions: create?.replace(unknown, ''),
    settings: lines.flatMap(line => renamed(line, [SETTING, COMMENT])),
    grants: lines.flatMap(line => renamed(line, [ROLE, GRANT])),
  }
}

/** Runs them one by one: what this user or this server does not allow is told, and stops nothing. */
export async function applyStatements(
  session: Session,
  statements: readonly string[],
  target: string,
): Promise<Finding[]> {
  const refused: string[] = []
  for (const statement of statements) {
    await session.query(statement).catch((error: unknown) => {
      if (session.broken) throw error
      refused.push(statement)
    })
  }
  if (refused.length === 0) return []
  return [
    {
      severity: 'warning',
      code: 'database-setting-refused',
      subject: `database ${target}`,
      message: `${refused.length} of its own settings were refused by the server`,
      hint: 'Run them as a superuser; they are listed here, for the name that the database had while it was restored.',
      affects: refused,
    },
  ]
}
