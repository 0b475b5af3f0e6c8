import type { Session } from '../../../../clients/postgres/index.ts'

/** May we end this row of pg_stat_activity? A superuser's session only a superuser may. */
const MAY_END = `CASE WHEN (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN true
  WHEN usesysid IS NULL OR (SELECT rolsuper FROM pg_roles WHERE oid = usesysid) THEN false
  ELSE pg_has_role(usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE') END`

/** Not the server's own helpers (vacuum), which step aside by themselves. What others' sessions are, not all may know. */
const IN_DATABASES = `datname = ANY($1) AND pid <> pg_backend_pid() AND (backend_type IS NULL AND usesysid IS NOT NULL
  OR backend_type IN ('client backend', 'walsender', 'background worker', 'logical replication worker'))`

export interface SessionGroup {
  readonly database: string
  /** Empty for the server's own. */
  readonly role: string
  /** What it calls itself; may be empty. */
  readonly application: string
  readonly count: number
  readonly mayEnd: boolean
}

/** Who is connected to these databases now. */
export async function listSessions(session: Session, databases: readonly string[]): Promise<SessionGroup[]> {
  return await session.query<SessionGroup & Record<string, unknown>>(
    `SELECT datname AS database, coalesce(usename, '') AS role, coalesce(application_name, '') AS application,
       count(*)::int AS count, bool_and(${MAY_END}) AS "mayEnd"
     FROM pg_stat_activity WHERE ${IN_DATABASES} GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3`,
    [databases],
  )
}

/** Ends those that we may end. */
export async function endSessions(session: Session, databases: readonly string[]): Promise<void> {
  await session.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${IN_DATABASES} AND ${MAY_END}`, [
    databases,
  ])
}
