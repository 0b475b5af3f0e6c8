import { quoteIdentifier, type Session } from '../../../clients/postgres/index.ts'
import type { Finding, Severity } from '../../../model/finding.ts'
import type { ClusterFacts } from './cluster-facts.ts'
import { describeFacts } from './pages/page-findings.ts'

/** What the server's settings and the role's rights say about physical backups. */
interface Fitness {
  readonly role: string
  readonly replication: boolean
  readonly may_start: boolean
  readonly wal_level: string
  readonly archive_mode: string
  readonly archive_command: string
  readonly max_wal_senders: number
  readonly max_replication_slots: number
  readonly full_page_writes: string
  readonly archive_fails: boolean
  readonly last_failed: string | null
  readonly slot: boolean
  readonly slot_status: string | null
}

/** @param whyNotLocal Why the data directory can't be read here, or undefined when it can. */
export async function probeCluster(
  session: Session,
  facts: ClusterFacts,
  slot: string,
  whyNotLocal: string | undefined,
): Promise<Finding[]> {
  const fitness = await readFitness(session, slot)
  return [
    ...probeRole(fitness, facts, whyNotLocal),
    ...probeServer(fitness, facts),
    ...probeLog(fitness, slot),
    ...describeFacts(facts),
  ]
}

async function readFitness(session: Session, slot: string): Promise<Fitness> {
  const start =
    session.versionNumber >= 150_000 ? 'pg_backup_start(text,boolean)' : 'pg_start_backup(text,boolean,boolean)'
  const stop = session.versionNumber >= 150_000 ? 'pg_backup_stop(boolean)' : 'pg_stop_backup(boolean,boolean)'
  const [row] = await session.query<Fitness>(
    `SELECT current_user::text AS role,
       (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user) AS replication,
       has_function_privilege('${start}', 'execute') AND has_function_privilege('${stop}', 'execute') AS may_start,
       current_setting('wal_level') AS wal_level, current_setting('archive_mode') AS archive_mode,
       coalesce(current_setting('archive_command', true), '') AS archive_command,
       current_setting('max_wal_senders')::int AS max_wal_senders,
       current_setting('max_replication_slots')::int AS max_replication_slots,
       current_setting('full_page_writes') AS full_page_writes,
       (SELECT coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) FROM pg_stat_archiver)
         AS archive_fails,
       (SELECT last_failed_wal FROM pg_stat_archiver) AS last_failed,
       EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1) AS slot,
       (SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1) AS slot_status`,
    [slot],
  )
  if (row === undefined) throw new Error('a row is always returned')
  return row
}

function probeRole(fitness: Fitness, facts: ClusterFacts, whyNotLocal: string | undefined): Finding[] {
  const role = quoteIdentifier(fitness.role)
  const findings: Finding[] = []
  if (!fitness.replication) {
    findings.push(
      finding(
        whyNotLocal === undefined ? 'warning' : 'error',
        'role-without-replication',
        `role ${fitness.role}`,
        'the role may not replicate, so it can neither copy the cluster over the network nor keep its log',
        `As a superuser run: ALTER ROLE ${role} WITH REPLICATION;`,
      ),
    )
  }
  if (whyNotLocal === undefined && !fitness.may_start) {
    const names = facts.versionNumber >= 150_000 ? NEW_FUNCTIONS : OLD_FUNCTIONS
    findings.push(
      finding(
        'error',
        'role-without-backup',
        `role ${fitness.role}`,
        'the role may not start a backup',
        `As a superuser run: GRANT EXECUTE ON FUNCTION ${names} TO ${role};`,
      ),
    )
  }
  if (whyNotLocal !== undefined) {
    findings.push(
      finding(
        'info',
        'data-directory-unreadable',
        `cluster ${facts.systemIdentifier}`,
        `${whyNotLocal}: the cluster is copied over the network, whole each time`,
        'Run Lifeboat on the server, as the user that owns the data directory, to read only what changed.',
      ),
    )
  }
  return findings
}

const NEW_FUNCTIONS = 'pg_backup_start(text, boolean), pg_backup_stop(boolean)'
const OLD_FUNCTIONS = 'pg_start_backup(text, boolean, boolean), pg_stop_backup(boolean, boolean)'

function probeServer(fitness: Fitness, facts: ClusterFacts): Finding[] {
  const subject = `cluster ${facts.systemIdentifier}`
  const findings: Finding[] = []
  if (fitness.wal_level === 'minimal') {
    findings.push(
      finding(
        'error',
        'wal-level-minimal',
        subject,
        'wal_level is minimal, too little for a physical backup',
        "As a superuser run: ALTER SYSTEM SET wal_level = 'replica'; then restart the server.",
      ),
    )
  }
  if (fitness.max_wal_senders === 0 || fitness.max_replication_slots === 0) {
    findings.push(
      finding(
        'warning',
        'no-wal-senders',
        subject,
        'max_wal_senders or max_replication_slots is 0, so nothing can be replicated',
        'As a superuser run: ALTER SYSTEM SET max_wal_senders = 10; ALTER SYSTEM SET max_replication_slots = 10; then restart the server.',
      ),
    )
  }
  if (facts.standby && fitness.full_page_writes === 'off') {
    findings.push(
      finding(
        'error',
        'full-page-writes-off',
        subject,
        'full_page_writes is off, so a standby cannot be backed up',
        'On the primary run: ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf();',
      ),
    )
  }
  return findings
}

function probeLog(fitness: Fitness, slot: string): Finding[] {
  const archiving = fitness.archive_mode !== 'off' && fitness.archive_command !== ''
  if (!archiving && !fitness.slot) {
    return [
      finding(
        'warning',
        'log-not-kept',
        'log',
        'the log is not kept, so a cluster can be recovered to the moments of its backups only',
        `Run "lifeboat wal receive" beside the server, or as a superuser: ALTER SYSTEM SET archive_mode = on; ALTER SYSTEM SET archive_command = 'lifeboat wal push %p'; then restart the server.`,
      ),
    ]
  }
  const findings: Finding[] = []
  if (archiving && fitness.archive_fails) {
    findings.push(
      finding(
        'error',
        'archive-failing',
        'archive_command',
        `the server cannot archive ${fitness.last_failed ?? 'its log'}`,
        "Look into the server's log for what archive_command says; the log piles up in pg_wal until it works.",
      ),
    )
  }
  if (fitness.slot && fitness.slot_status === 'lost') {
    findings.push(
      finding(
        'error',
        'slot-lost',
        `slot ${slot}`,
        'the replication slot fell behind max_slot_wal_keep_size, and log that it needed is gone',
        `As a superuser run: SELECT pg_drop_replication_slot('${slot}'); then start "lifeboat wal receive" again and take a full backup.`,
      ),
    )
  }
  return findings
}

function finding(severity: Severity, code: string, subject: string, message: string, hint: string): Finding {
  return { severity, code, subject, message, hint }
}
