import { readdir, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../../../base/errors.ts'
import {
  type ConnectionSettings,
  findPostgresTools,
  requireSuccess,
  type Session,
  startTool,
  withSession,
} from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import type { LogArchiver, LogHold, LogReceiving, LogState, SourceContext, SourceLog } from '../../../source.ts'
import { parseWalFileName } from './wal.ts'

export interface PostgresLogOptions {
  /** Asked for at each use, so that a changed password file is seen. */
  readonly connection: () => Promise<ConnectionSettings>
  readonly binDir?: string | undefined
  /** The replication slot that keeps the log until we have it. */
  readonly slot: string
}

/** Seconds between two words to the server about how far we are. */
const STATUS_INTERVAL_SECONDS = '5'

/** A cluster's log, received by `pg_receivewal`. */
export class PostgresLog implements SourceLog {
  readonly #options: PostgresLogOptions

  constructor(options: PostgresLogOptions) {
    this.#options = options
  }

  async inspect({ signal }: SourceContext): Promise<LogState> {
    const settings = await this.#options.connection()
    return await withSession(settings, { signal }, session => readState(session, this.#options.slot))
  }

  async receive({ folder, signal }: LogReceiving): Promise<void> {
    const settings = await this.#options.connection()
    const { tools, segmentBytes } = await withSession(settings, { signal }, async session => ({
      tools: await findPostgresTools(session, this.#options.binDir),
      segmentBytes: (await readState(session, this.#options.slot)).fileBytes,
    }))
    const tool = 'pg_receivewal'
    const slot = ['-S', this.#options.slot, '-w']
    const run = async (args: readonly string[]): Promise<void> => {
      const child = await startTool(tools, { tool, args, settings, signal, endsWithUs: true })
      try {
        requireSuccess(child, await child.wait(), { settings, tool }, 'receive the log')
      } finally {
        await child.stop()
      }
    }
    await run([...slot, '--create-slot', '--if-not-exists'])
    await requireSlotFits(settings, this.#options.slot, folder)
    await emptyUnpadded(folder, segmentBytes)
    await run([...slot, '-D', folder, '--no-loop', '-s', STATUS_INTERVAL_SECONDS])
    if (!signal.aborted) throw new AppError('source-unreachable', 'the server ended the stream of its log')
  }
}

/**
 * pg_receivewal fills a segment with zeros before it writes to it. Where the disk was full then, it leaves a part of
 * them, which it refuses for ever. An empty one tells it where to go on, and it fills that anew.
 */
async function emptyUnpadded(folder: string, segmentBytes: number): Promise<void> {
  for (const name of await readdir(folder)) {
    if (parseWalFileName(name)?.kind !== 'partial') continue
    const path = join(folder, name)
    const { size } = await stat(path)
    if (size !== segmentBytes) await truncate(path)
  }
}

/**
 * A slot that lost log would go on after it without a word. It may be taken up anew only by a person, who knows that
 * there is a gap.
 */
async function requireSlotFits(settings: ConnectionSettings, slot: string, folder: string): Promise<void> {
  const state = await withSession(settings, {}, session => readSlot(session, slot))
  if (state?.status !== 'lost') return
  throw new AppError('source-invalid', `replication slot ${slot} lost log that was not received yet`, {
    hint: `There is a gap now. As a superuser run: SELECT pg_drop_replication_slot('${slot}'); move the files of ${folder} away, start "lifeboat wal receive" again, and take a full backup.`,
    context: { received: (await readdir(folder)).length },
  })
}

interface StateRow {
  readonly system_identifier: string
  readonly timeline: number
  readonly segment_bytes: number
  readonly lsn: string
  readonly archive_mode: string
}

async function readState(session: Session, slot: string): Promise<LogState> {
  const [row] = await session.query<StateRow>(
    `SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
       (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline,
       (SELECT bytes_per_wal_segment FROM pg_control_init()) AS segment_bytes,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text AS lsn,
       current_setting('archive_mode') AS archive_mode`,
  )
  if (row === undefined) throw new AppError('source-invalid', 'the server said nothing of its log')
  const hold = await readSlot(session, slot)
  const archiver = row.archive_mode === 'off' ? undefined : await readArchiver(session)
  return {
    id: row.system_identifier,
    branch: row.timeline,
    position: row.lsn,
    fileBytes: row.segment_bytes,
    hold,
    archiver,
    findings: [...slotFindings(hold), ...archiverFindings(archiver)],
  }
}

async function readSlot(session: Session, slot: string): Promise<LogHold | undefined> {
  const [row] = await session.query<{ active: boolean; status: string | null; retained: string | null }>(
    `SELECT active, wal_status AS status, (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
       ELSE pg_current_wal_lsn() END - restart_lsn)::bigint::text AS retained
     FROM pg_replication_slots WHERE slot_name = $1 AND slot_type = 'physical'`,
    [slot],
  )
  if (row === undefined) return undefined
  const retainedBytes = Math.max(0, Number(row.retained ?? 0))
  return { name: slot, active: row.active, status: row.status ?? 'reserved', retainedBytes }
}

interface ArchiverRow {
  readonly last_archived_wal: string | null
  readonly last_archived_time: Date | null
  readonly last_failed_wal: string | null
  readonly last_failed_time: Date | null
}

async function readArchiver(session: Session): Promise<LogArchiver> {
  const [row] = await session.query<ArchiverRow>(
    'SELECT last_archived_wal, last_archived_time, last_failed_wal, last_failed_time FROM pg_stat_archiver',
  )
  return {
    lastArchived: row?.last_archived_wal ?? undefined,
    lastArchivedAt: row?.last_archived_time ?? undefined,
    lastFailed: row?.last_failed_wal ?? undefined,
    lastFailedAt: row?.last_failed_time ?? undefined,
  }
}

function slotFindings(slot: LogHold | undefined): Finding[] {
  if (slot === undefined) return []
  const drop = `SELECT pg_drop_replication_slot('${slot.name}');`
  if (slot.status === 'lost') {
    return [
      {
        severity: 'error',
        code: 'slot-lost',
        subject: `slot ${slot.name}`,
        message: 'the slot lost log that was not received yet',
        hint: `As a superuser run: ${drop} then start "lifeboat wal receive" again and take a full backup.`,
      },
    ]
  }
  if (slot.active) return []
  return [
    {
      severity: 'warning',
      code: 'slot-inactive',
      subject: `slot ${slot.name}`,
      message: 'nobody receives the log, and the server keeps all of it until somebody does',
      hint: `Start "lifeboat wal receive", or drop the slot: ${drop}`,
    },
  ]
}

function archiverFindings(archiver: LogArchiver | undefined): Finding[] {
  const failedAt = archiver?.lastFailedAt
  const isFailing = failedAt && (archiver.lastArchivedAt === undefined || failedAt > archiver.lastArchivedAt)
  if (!isFailing) return []
  return [
    {
      severity: 'error',
      code: 'archive-failing',
      subject: 'archive_command',
      message: `the server cannot archive ${archiver.lastFailed ?? 'its log'}`,
      hint: "Run archive_command by hand as the server's user, in the data directory: it says why. So does the log of the server.",
    },
  ]
}
