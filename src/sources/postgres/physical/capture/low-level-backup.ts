import { AppError, messageOf } from '../../../../base/errors.ts'
import type { Logger } from '../../../../base/logger.ts'
import type { Session } from '../../../../clients/postgres/index.ts'
import type { ClusterFacts } from '../cluster-facts.ts'
import { type Lsn, parseLsn } from '../log/wal.ts'
import { type BackupLabel, parseBackupLabel } from './backup-label.ts'

export interface BackupEnd {
  /** To be stored as `backup_label`, byte for byte. */
  readonly labelText: string
  /** To be stored as `tablespace_map`; empty where there are no tablespaces. */
  readonly tablespaceMap: string
  readonly label: BackupLabel
  /** The copy is consistent once recovery has reached it. */
  readonly stopLsn: Lsn
  /** By the server's clock. */
  readonly stoppedAt: Date
  /** Transactions with this number or a higher one began after the backup's end. 64 bits. */
  readonly nextXid: string
}

interface BackupStopRow {
  readonly lsn: string
  readonly labelfile: string
  readonly spcmapfile: string
  readonly next_xid: string
  readonly stopped_at_ms: string
}

/**
 * Between `start` and `stop` every file of the cluster may be copied in any order at any speed. Ends with its
 * connection: a client that dies leaves no server in backup mode.
 *
 * @see https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP
 */
export class LowLevelBackup {
  readonly startLsn: Lsn
  readonly #session: Session
  readonly #facts: ClusterFacts

  private constructor(session: Session, facts: ClusterFacts, startLsn: Lsn) {
    this.#session = session
    this.#facts = facts
    this.startLsn = startLsn
  }

  static async start(session: Session, facts: ClusterFacts, label: string): Promise<LowLevelBackup> {
    const call = facts.versionNumber >= 150_000 ? 'pg_backup_start($1, true)' : 'pg_start_backup($1, true, false)'
    const rows = await session
      .query<{ lsn: string }>(`SELECT ${call}::text AS lsn`, [label])
      .catch((error: unknown) => {
        throw startError(error)
      })
    return new LowLevelBackup(session, facts, getLsn(rows[0]?.lsn, 'start of the backup'))
  }

  /** Does not wait for the archive: the log that the copy needs is copied with it. */
  async stop(): Promise<BackupEnd> {
    const call = this.#facts.versionNumber >= 150_000 ? 'pg_backup_stop(false)' : 'pg_stop_backup(false, false)'
    const [row] = await this.#session
      .query<BackupStopRow>(
        `SELECT lsn::text AS lsn, labelfile, spcmapfile, pg_snapshot_xmax(pg_current_snapshot())::text AS next_xid,
         ceil(extract(epoch FROM clock_timestamp()) * 1000)::bigint::text AS stopped_at_ms FROM ${call}`,
      )
      .catch((error: unknown) => {
        throw new AppError('source-unreachable', `the server did not end the backup: ${messageOf(error)}`, {
          hint: 'Nothing was kept of it; run the backup again.',
          cause: error,
        })
      })
    const labelText = row?.labelfile ?? ''
    return {
      labelText,
      tablespaceMap: row?.spcmapfile ?? '',
      label: parseBackupLabel(labelText),
      stopLsn: getLsn(row?.lsn, 'end of the backup'),
      stoppedAt: new Date(Number(row?.stopped_at_ms)),
      nextXid: row?.next_xid ?? '',
    }
  }
}

function getLsn(text: string | null | undefined, what: string): Lsn {
  const lsn = parseLsn(text ?? '')
  if (lsn === undefined) throw new AppError('source-invalid', `the server named no position for the ${what}`)
  return lsn
}

function startError(error: unknown): AppError {
  const message = messageOf(error)
  const denied = /permission denied/.test(message)
  return new AppError('source-unreachable', `cannot start a physical backup: ${message}`, {
    hint: denied
      ? 'Let the role do it: GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean), pg_backup_stop(boolean) TO the role (pg_start_backup(text, boolean, boolean), pg_stop_backup(boolean, boolean) before PostgreSQL 15).'
      : 'It needs wal_level = replica or higher; run "lifeboat probe" to see what is missing.',
    cause: error,
  })
}

/**
 * Keeps the server from recycling the log that the backup needs, for as long as the connection lasts. False when there
 * is none to be had (no privilege, no free slot): then a long backup may find its log gone at the end, and fails.
 */
export async function reserveWal(session: Session, name: string, logger: Logger): Promise<boolean> {
  try {
    await session.query('SELECT pg_create_physical_replication_slot($1, true, true)', [name])
    return true
  } catch (error) {
    logger.debug('no temporary replication slot for this backup', { reason: messageOf(error) })
    return false
  }
}
