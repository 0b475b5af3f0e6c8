import { quoteIdentifier, quoteLiteral, type Session } from '../../../../clients/postgres/index.ts'
import type { DatabaseStatements } from './database-settings.ts'

/** What belongs to a database that is about to be replaced, and not to what is in it: its replacement shall have it too. */
export interface ReplacedDatabase {
  readonly owner: string
  /** Undefined for that of the template: to name that one needs a right of its own. */
  readonly tablespace: string | undefined
  /** For a database called as told to `readReplaced`. */
  readonly statements: Pick<DatabaseStatements, 'settings' | 'grants'>
}

interface Row {
  readonly owner: string
  readonly tablespace: string | null
  readonly limit: number
  readonly note: string | null
  readonly acl: readonly Grant[] | null
  readonly set: readonly RoleSettings[]
}

interface Grant {
  /** Null: everybody. */
  readonly grantee: string | null
  readonly privilege: string
  readonly grantable: boolean
}

interface RoleSettings {
  /** Null: for all roles. */
  readonly role: string | null
  readonly settings: readonly string[]
}

/** Asked without a connection to the database itself, which may be beyond that. */
const QUERY = `
SELECT r.rolname AS owner, CASE WHEN d.dattablespace <> m.dattablespace THEN t.spcname END AS tablespace, d.datconnlimit AS limit, shobj_description(d.oid, 'pg_database') AS note,
  (SELECT json_agg(json_build_object('grantee', g.rolname, 'privilege', a.privilege_type, 'grantable', a.is_grantable)
      ORDER BY g.rolname NULLS FIRST, a.privilege_type)
    FROM aclexplode(d.datacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee WHERE a.grantee = 0 OR g.oid IS NOT NULL) AS acl,
  (SELECT coalesce(json_agg(json_build_object('role', g.rolname, 'settings', s.setconfig) ORDER BY g.rolname NULLS FIRST), '[]')
    FROM pg_db_role_setting s LEFT JOIN pg_roles g ON g.oid = s.setrole
    WHERE s.setdatabase = d.oid AND (s.setrole = 0 OR g.oid IS NOT NULL)) AS set
FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba JOIN pg_tablespace t ON t.oid = d.dattablespace
  JOIN pg_database m ON m.datname = 'template0'
WHERE d.datname = $1`

/** Undefined where there is no database `target`. The statements give the same to the database `name`. */
export async function readReplaced(
  session: Session,
  target: string,
  name: string,
): Promise<ReplacedDatabase | undefined> {
  const [row] = await session.query<Row & Record<string, unknown>>(QUERY, [target])
  if (row === undefined) return undefined
  const own = quoteIdentifier(name)
  const forAll = row.set.filter(each => each.role === null).flatMap(each => each.settings)
  const forRoles = row.set.flatMap(({ role, settings }) =>
    role === null
      ? []
      : settings.map(setting => `ALTER ROLE ${quoteIdentifier(role)} IN DATABASE ${own} SET ${assignment(setting)};`),
  )
  const settings = [
    ...forAll.map(setting => `ALTER DATABASE ${own} SET ${assignment(setting)};`),
    ...(row.note === null ? [] : [`COMMENT ON DATABASE ${own} IS ${quoteLiteral(row.note)};`]),
    ...(row.limit === -1 ? [] : [`ALTER DATABASE ${own} CONNECTION LIMIT ${row.limit};`]),
  ]
  const grants = [...grantStatements(own, row.owner, row.acl), ...forRoles]
  return { owner: row.owner, tablespace: row.tablespace ?? undefined, statements: { settings, grants } }
}

/** From nothing: what a new database grants by itself goes first. Nothing where it still is what it was by itself. */
function grantStatements(own: string, owner: string, acl: readonly Grant[] | null): string[] {
  if (acl === null) return []
  const given = acl.map(({ grantee, privilege, grantable }) => {
    const to = grantee === null ? 'PUBLIC' : quoteIdentifier(grantee)
    return `GRANT ${privilege} ON DATABASE ${own} TO ${to}${grantable ? ' WITH GRANT OPTION' : ''};`
  })
  return [`REVOKE ALL ON DATABASE ${own} FROM PUBLIC, ${quoteIdentifier(owner)};`, ...given]
}

/** Settings that are lists of names: each is quoted for itself. The same list as pg_dump's. */
const LISTS: ReadonlySet<string> = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
])

/** `search_path="$user", public` -> `"search_path" TO '$user', 'public'`. */
function assignment(setting: string): string {
  const equals = setting.indexOf('=')
  const name = setting.slice(0, equals)
  const value = setting.slice(equals + 1)
  const values = LISTS.has(name.toLowerCase()) ? namesIn(value) : [value]
  return `${quoteIdentifier(name)} TO ${values.map(quoteLiteral).join(', ')}`
}

function namesIn(list: string): string[] {
  const names = list.match(/"(?:[^"]|"")*"|[^\s,"]+/g) ?? ['']
  return names.map(name => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name))
}
