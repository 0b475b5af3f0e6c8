import type { Session } from '../../../clients/postgres/index.ts'
import { holdsBytes, quoteIdentifier } from '../../../clients/postgres/index.ts'
import type { Finding } from '../../../model/finding.ts'

const NAME = '("(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)'
const CREATE = new RegExp(`^CREATE ROLE ${NAME};$`)
const ALTER = new RegExp(`^ALTER ROLE ${NAME} (?:WITH|SET) .*;$`)
const GRANT = new RegExp(`^GRANT ${NAME} TO ${NAME}((?: WITH [^;]*?)?)(?: GRANTED BY [^;]*)?;$`)

/** Those of the roles that the server lacks. */
export async function missingRoles(session: Session, needed: readonly string[]): Promise<string[]> {
  const rows = await session.query<{ name: string }>('SELECT rolname AS name FROM pg_roles')
  const there = new Set(rows.map(row => row.name))
  return needed.filter(role => !there.has(role) && !role.startsWith('pg_'))
}

/** PostgreSQL 16 tells being a member apart from the right to act as one. */
const SET_SINCE = 160_000

/** Those that we may not give things to: a superuser may to anybody, others to roles that they can become. */
export async function ungrantableOwners(session: Session, needed: readonly string[]): Promise<string[]> {
  const rows = await session.query<{ name: string }>(
    'SELECT rolname AS name FROM pg_roles WHERE pg_has_role(current_user, oid, $1)',
    [session.versionNumber >= SET_SINCE ? 'SET' : 'MEMBER'],
  )
  const ours = new Set(rows.map(row => row.name))
  return needed.filter(role => !ours.has(role))
}

/**
 * The statements of a globals file that create these roles, and the roles that they are members of, as far as the
 * server lacks them. `pg_dumpall` writes one a line.
 */
export function roleStatements(
  globals: string,
  missing: readonly string[],
  existing: (role: string) => boolean,
): string[] {
  const lines = globals.split('\n')
  const wanted = new Set(missing)
  for (let before = -1; before !== wanted.size; ) {
    before = wanted.size
    for (const line of lines) {
      const [, group, member] = GRANT.exec(line) ?? []
      if (group !== undefined && member !== undefined && wanted.has(plain(member)) && !existing(plain(group))) {
        wanted.add(plain(group))
      }
    }
  }
  const created: string[] = []
  for (const line of lines) {
    const role = CREATE.exec(line)?.[1] ?? ALTER.exec(line)?.[1]
    if (role !== undefined && wanted.has(plain(role)) && !holdsBytes(line)) created.push(line)
    const grant = GRANT.exec(line)
    if (grant?.[1] !== undefined && grant[2] !== undefined && wanted.has(plain(grant[2]))) {
      created.push(`GRANT ${grant[1]} TO ${grant[2]}${grant[3] ?? ''};`)
    }
  }
  return created
}

/** Creates what is missing; the names of what the globals do not have either. */
export async function createRoles(session: Session, globals: string, missing: readonly string[]): Promise<string[]> {
  const rows = await session.query<{ name: string }>('SELECT rolname AS name FROM pg_roles')
  const there = new Set(rows.map(row => row.name))
  const statements = roleStatements(globals, missing, role => there.has(role))
  if (statements.length > 0) await session.query(`BEGIN; ${statements.join('\n')} COMMIT`)
  const known = new Set(statements.map(line => CREATE.exec(line)?.[1]).map(name => (name ? plain(name) : '')))
  return missing.filter(role => !known.has(role))
}

export function rolesFinding(subject: string, missing: readonly string[], hasGlobals: boolean): Finding {
  const create = missing.map(role => `CREATE ROLE ${quoteIdentifier(role)};`).join(' ')
  return {
    severity: 'warning',
    code: 'role-missing',
    subject,
    message: `what ${missing.join(', ')} owned or was granted was left out: the server lacks the role, or we may not give to it`,
    hint: hasGlobals
      ? 'Restore again with --roles to create them as they were, as a superuser.'
      : `Create them first, as a superuser: ${create}`,
    affects: missing,
  }
}

function plain(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name
}
