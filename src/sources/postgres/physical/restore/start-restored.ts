import { chmod, chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, isAppError, messageOf, throwIfAborted } from '../../../../base/errors.ts'
import {
  type ConnectionSettings,
  findServerTools,
  freePort,
  type RunningServer,
  serverUser,
  startServer,
  withSession,
} from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import type { RestoreRequest, StartedServer } from '../../../source.ts'
import { socketParent } from '../../socket-parent.ts'
import { textProperty } from '../cluster-properties.ts'
import { recoverySettings } from './own-settings.ts'
import { type CopyFolder, startForGood } from './start-copy.ts'
import { writeOwned, writeRecovery } from './write-recovery.ts'

/** Recovery may have days of log to replay; the signal ends it sooner. */
const RECOVERY_TIMEOUT_MS = 7 * 24 * 3_600_000
const POLL_MS = 200
const ENDING_MS = 10_000
type CopyRequest = Pick<RestoreRequest, 'snapshot' | 'recovery' | 'signal' | 'clock'>

interface OpenCopy extends CopyFolder {
  readonly request: CopyRequest
  /** Called when the server is recovered and still there. */
  readonly whileUp?: (connection: ConnectionSettings) => Promise<void>
}

export type Reached = Pick<StartedServer, 'timeline' | 'reachedLsn' | 'lastCommitAt'>

/**
 * Lets a restored copy recover and promote under settings of our own, where nobody else can connect, then starts it
 * under the copy's settings on a free port. It never archives: it is not the cluster that the archive is of.
 */
export async function startRestored(
  request: CopyRequest,
  dataDir: string,
  binDir: string | undefined,
): Promise<{ readonly server: StartedServer; readonly findings: readonly Finding[] }> {
  const place = await openCopy(request, dataDir, binDir)
  const reached = await recoverToEnd(place)
  const made = await addMissingSettings(dataDir)
  const { server, findings } = await startForGood(place, request.signal)
  return { server: { ...server, ...reached }, findings: [...made, ...findings] }
}

/** The same without leaving a server behind: does the copy recover, and how far? `whileUp` can ask it then. */
export async function recoverRestored(
  request: CopyRequest,
  dataDir: string,
  binDir: string | undefined,
  whileUp: (connection: ConnectionSettings) => Promise<void>,
): Promise<Reached> {
  return await recoverToEnd({ ...(await openCopy(request, dataDir, binDir)), whileUp })
}

async function openCopy(request: CopyRequest, dataDir: string, binDir: string | undefined): Promise<OpenCopy> {
  const version = textProperty(request.snapshot.manifest, 'serverVersion') ?? ''
  const major = Number.parseInt(version, 10)
  const tools = await findServerTools(major, binDir)
  if (tools === undefined) {
    throw new AppError('tool-missing', `PostgreSQL ${major} is not installed, so the copy cannot be started`, {
      hint: `Install postgresql-${major}, or start a server of that version on ${dataDir} where it is installed.`,
    })
  }
  return { request, dataDir, tools, user: await serverUser(dataDir) }
}

/** A time after the last commit is reached when all of the log is replayed; PostgreSQL calls that an error. */
async function recoverToEnd(place: OpenCopy): Promise<Reached> {
  try {
    return await recover(place)
  } catch (error) {
    const { recovery } = place.request
    const words = [messageOf(error), isAppError(error) ? error.context['log'] : undefined].join('\n')
    const ended = /recovery ended before configured recovery target was reached/.test(words)
    if (!ended || recovery?.target.kind !== 'time') throw ended ? notReached(error) : error
    await writeRecovery(place.dataDir, { ...recovery, target: { kind: 'end' } })
    return await recover(place)
  }
}

async function recover(place: OpenCopy): Promise<Reached> {
  const { request, dataDir, tools, user } = place
  const folder = await mkdtemp(join(socketParent(), 'lifeboat-'))
  let server: RunningServer | undefined
  try {
    const settings = await writeOwnSettings(folder, place)
    if (user) await chown(folder, user.uid, user.gid)
    server = await startServer({
      tools,
      dataDir,
      user,
      settings,
      socketDir: folder,
      port: await freePort(),
      signal: request.signal,
      startTimeoutMs: RECOVERY_TIMEOUT_MS,
      runsOurCommands: request.recovery?.log !== undefined,
      superuser: textProperty(request.snapshot.manifest, 'role'),
    })
    const reached = await waitForEnd(server, request)
    await place.whileUp?.(server.connection)
    return reached
  } finally {
    await server?.stop('fast')
    await rm(folder, { recursive: true, force: true })
  }
}

async function writeOwnSettings(folder: string, { request, user }: OpenCopy): Promise<string[]> {
  const files = { 'postgresql.conf': '', 'pg_hba.conf': 'local all all trust\n', 'pg_ident.conf': '' }
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), text, { mode: 0o600 })
    if (user) await chown(join(folder, name), user.uid, user.gid)
  }
  await chmod(folder, 0o700)
  return [
    `config_file=${join(folder, 'postgresql.conf')}`,
    `hba_file=${join(folder, 'pg_hba.conf')}`,
    `ident_file=${join(folder, 'pg_ident.conf')}`,
    ...recoverySettings(request.snapshot.manifest),
  ]
}

interface RecoveryRow {
  readonly recovering: boolean
  readonly lsn: string | null
  readonly commit_ms: string | null
}

async function waitForEnd(server: RunningServer, request: CopyRequest): Promise<Reached> {
  try {
    return await askUntilEnd(server, request)
  } catch (error) {
    if (isAppError(error, 'interrupted')) throw error
    throw (await endsSoon(server, request)) ? endedError(server, error) : error
  }
}

/** A server that gives up closes its connections first: what we see is a lost one, the reason comes a moment later. */
async function endsSoon(server: RunningServer, { clock, signal }: CopyRequest): Promise<boolean> {
  const deadline = clock.monotonicMs() + ENDING_MS
  while (!server.ended && !signal.aborted && clock.monotonicMs() < deadline) await clock.sleep(POLL_MS, signal)
  return server.ended
}

async function askUntilEnd(server: RunningServer, request: CopyRequest): Promise<Reached> {
  return await withSession(server.connection, { signal: request.signal }, async session => {
    for (;;) {
      throwIfAborted(request.signal)
      const [row] = await session.query<RecoveryRow>(
        `SELECT pg_is_in_recovery() AS recovering, pg_last_wal_replay_lsn()::text AS lsn,
         (extract(epoch FROM pg_last_xact_replay_timestamp()) * 1000)::bigint::text AS commit_ms`,
      )
      if (row?.recovering === false) {
        const [walfile] = await session.query<{ name: string }>('SELECT pg_walfile_name(pg_current_wal_lsn()) AS name')
        return {
          timeline: Number.parseInt(walfile?.name.slice(0, 8) ?? '0', 16),
          reachedLsn: row.lsn ?? undefined,
          lastCommitAt: row.commit_ms === null ? undefined : new Date(Number(row.commit_ms)),
        }
      }
      await request.clock.sleep(POLL_MS, request.signal)
    }
  })
}

function endedError(server: RunningServer, cause: unknown): AppError {
  const words = server.log.split('\n').filter(line => /FATAL|PANIC/.test(line))
  return new AppError('tool-failed', `the server ended while it recovered: ${words.at(-1)?.trim() ?? 'no reason'}`, {
    hint: 'The end of its log is in the details (--json).',
    context: { log: server.log.slice(-4000) },
    cause,
  })
}

function notReached(cause: unknown): AppError {
  return new AppError('verification-failed', 'the log ends before the recovery target', {
    hint: 'Run "lifeboat wal status" to see what the archive covers, then choose an earlier target.',
    cause,
  })
}

/** Debian keeps settings outside of the data directory: a copy without any needs some to start at all. */
async function addMissingSettings(dataDir: string): Promise<Finding[]> {
  const minimal = {
    'postgresql.conf': '# Made by lifeboat restore: the backup held no settings.\n',
    'pg_hba.conf': 'local all all peer\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256\n',
    'pg_ident.conf': '# Made by lifeboat restore.\n',
  }
  const made: string[] = []
  for (const [name, text] of Object.entries(minimal)) {
    const path = join(dataDir, name)
    if (await stat(path).catch(() => undefined)) continue
    await writeOwned(path, text)
    made.push(name)
  }
  if (made.length === 0) return []
  return [
    {
      severity: 'info',
      code: 'settings-made',
      subject: dataDir,
      message: `the backup held no ${made.join(', ')}, so minimal ones were made`,
      hint: "Copy the original server's settings there before the copy takes over.",
    },
  ]
}
