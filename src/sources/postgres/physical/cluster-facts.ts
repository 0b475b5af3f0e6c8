import { AppError } from '../../../base/errors.ts'
import type { Session } from '../../../clients/postgres/index.ts'

/** What a cluster says of itself. */
export interface ClusterFacts {
  /** Decimal: made at `initdb`, kept for life, the same on its standbys. */
  readonly systemIdentifier: string
  /** `15.8`. */
  readonly version: string
  /** `150008`. */
  readonly versionNumber: number
  readonly dataDir: string
  readonly dataDirMode: string
  readonly checksums: boolean
  readonly standby: boolean
  readonly walSegmentBytes: number
  readonly pageBytes: number
  readonly startedAtMs: number
  /** Who we are there. */
  readonly role: string
  /** Files of settings that lie outside of the data directory and so in no backup of it. */
  readonly settingsElsewhere: readonly string[]
  /** Settings that a copy needs at least as high as they were, to be read while it recovers. */
  readonly recoveryMinimums: Readonly<Record<string, string>>
}

const MINIMUMS = ['max_locks_per_transaction', 'max_prepared_transactions'] as const

/** Not for every role's eyes: the view leaves them out, where asking for them is an error. */
const HIDDEN = ['data_directory', 'config_file', 'hba_file', 'ident_file'] as const

const FACTS = `
SELECT current_setting('server_version') AS version, current_setting('server_version_num') AS version_number,
  (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
  (SELECT bytes_per_wal_segment::text FROM pg_control_init()) AS wal_segment_bytes,
  (SELECT database_block_size::text FROM pg_control_init()) AS page_bytes,
  current_setting('data_checksums') AS checksums, current_setting('data_directory_mode') AS data_dir_mode,
  ${HIDDEN.map(name => `(SELECT setting FROM pg_settings WHERE name = '${name}') AS ${name}`).join(', ')},
  pg_is_in_recovery()::text AS standby, session_user::text AS role,
  (extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint::text AS started_at_ms,
  ${MINIMUMS.map(name => `current_setting('${name}') AS ${name}`).join(', ')}`

/** Needs the role `pg_read_all_settings` (in `pg_monitor`) to know where the data directory is. */
export async function readClusterFacts(session: Session): Promise<ClusterFacts> {
  const [row] = await session.query<Record<string, string | null>>(FACTS)
  if (row === undefined) throw new AppError('source-invalid', 'the server said nothing of itself')
  const text = (name: string): string => row[name] ?? ''
  const dataDir = text('data_directory')
  const settings = ['config_file', 'hba_file', 'ident_file'].map(text).filter(path => path !== '')
  return {
    systemIdentifier: text('system_identifier'),
    version: text('version'),
    versionNumber: Number(text('version_number')),
    dataDir,
    dataDirMode: text('data_dir_mode'),
    checksums: text('checksums') === 'on',
    standby: text('standby') === 'true',
    walSegmentBytes: Number(text('wal_segment_bytes')),
    pageBytes: Number(text('page_bytes')),
    startedAtMs: Number(text('started_at_ms')),
    role: text('role'),
    settingsElsewhere: settings.filter(path => dataDir === '' || !path.startsWith(`${dataDir}/`)),
    recoveryMinimums: Object.fromEntries(MINIMUMS.map(name => [name, text(name)])),
  }
}

/** The name of a relation by where its file lies, `schema.table`; undefined when it is gone or of another database. */
export async function findRelationName(
  session: Session,
  tablespace: number,
  filenode: number,
): Promise<string | undefined> {
  const [row] = await session.query<{ name: string }>(
    `SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = pg_filenode_relation($1::oid, $2::oid)`,
    [tablespace, filenode],
  )
  return row?.name
}
