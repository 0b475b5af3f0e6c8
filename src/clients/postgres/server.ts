import { chown, readFile, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Child } from '../../base/child.ts'
import { systemClock } from '../../base/clock.ts'
import { AppError, isAppError, messageOf, throwIfAborted } from '../../base/errors.ts'
import { makeFolders } from '../../base/make-folders.ts'
import { openSession } from './session.ts'
import type { ConnectionSettings } from './settings.ts'
import { type PostgresTools, runTool, startTool } from './tools.ts'

/** PostgreSQL refuses to run as root; then it runs as this user. */
export interface ServerUser {
  readonly uid: number
  readonly gid: number
}

export interface ServerRequest {
  readonly tools: PostgresTools
  readonly dataDir: string
  /** Folder of the Unix-domain socket; at most about 90 bytes long. The server listens nowhere else unless `listen`. */
  readonly socketDir: string
  readonly port: number
  /** Addresses to listen on; default none. */
  readonly listen?: string | undefined
  /** `name=value` of the server's configuration. */
  readonly settings?: readonly string[] | undefined
  readonly user?: ServerUser | undefined
  readonly signal?: AbortSignal | undefined
  readonly startTimeoutMs?: number | undefined
  /** Who to connect as when looking whether it is up; default `postgres` over the socket. */
  readonly superuser?: string | undefined
  readonly onStderrLine?: ((line: string) => void) | undefined
  readonly runsOurCommands?: boolean | undefined
  /** Called as soon as there is a process, with its id: long before it takes connections. */
  readonly onSpawn?: ((pid: number) => void) | undefined
}

/** A server that we started. Who starts it stops it. */
export interface RunningServer {
  readonly pid: number
  readonly port: number
  readonly socketDir: string
  /** Over the socket, as the superuser. */
  readonly connection: ConnectionSettings
  /** The end of its log. */
  readonly log: string
  readonly ended: boolean
  /** `fast` ends sessions and shuts down cleanly, `immediate` as a crash would. Resolves when the process is gone. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>
}

/** Nobody's server but ours: fast and careless. Only for data that can be thrown away. */
export const THROW_AWAY_SETTINGS = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'autovacuum=off']

const START_TIMEOUT_MS = 60_000
const POLL_MS = 50
const LONGEST_POLL_MS = 1000

/** https://www.postgresql.org/docs/current/errcodes-appendix.html: cannot_connect_now, while it starts or recovers. */
const CANNOT_CONNECT_NOW = '57P03'
/** What such a server logs of us; the reason why it ended stands among these lines. */
const NOT_YET = /the database system is (?:starting up|not (?:yet )?accepting connections|in recovery|shutting down)/

/**
 * The user to run a server as: undefined (ourselves) unless we are root, then the data folder's owner if that is not
 * root, else `postgres` or `nobody`.
 */
export async function serverUser(dataDir?: string): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const owner = dataDir === undefined ? undefined : await stat(dataDir).catch(() => undefined)
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  const users = await readFile('/etc/passwd', 'utf8').catch(() => '')
  for (const name of ['postgres', 'nobody']) {
    const fields = users
      .split('\n')
      .find(line => line.startsWith(`${name}:`))
      ?.split(':')
    const uid = Number(fields?.[2])
    const gid = Number(fields?.[3])
    if (Number.isInteger(uid) && uid > 0 && Number.isInteger(gid)) return { uid, gid }
  }
  return { uid: 65_534, gid: 65_534 }
}

export interface NewCluster {
  readonly tools: PostgresTools
  /** Created; its parent must let the server's user pass. */
  readonly dataDir: string
  readonly user: ServerUser | undefined
  readonly superuser?: string | undefined
  /** More arguments of initdb: `--data-checksums`, `--auth=scram-sha-256`, `--pwfile=...`, `--encoding=...`. */
  readonly args?: readonly string[] | undefined
  readonly signal?: AbortSignal | undefined
}

/** Makes an empty cluster. */
export async function createCluster(cluster: NewCluster): Promise<void> {
  await makeFolders(cluster.dataDir, 0o700)
  if (cluster.user) await chown(cluster.dataDir, cluster.user.uid, cluster.user.gid)
  const args = [
    '-D',
    cluster.dataDir,
    '-U',
    cluster.superuser ?? 'postgres',
    '--no-sync',
    '--encoding=UTF8',
    '--locale=C.UTF-8',
  ]
  await runTool(
    cluster.tools,
    {
      tool: 'initdb',
      args: [...args, ...(cluster.args ?? ['--auth=trust'])],
      settings: undefined,
      cwd: '/',
      uid: cluster.user?.uid,
      gid: cluster.user?.gid,
      signal: cluster.signal,
    },
    'make a PostgreSQL cluster',
  )
}

/** Starts a server and waits until it takes connections. Throws `tool-failed` with its own words when it does not. */
export async function startServer(request: ServerRequest): Promise<RunningServer> {
  const { dataDir, socketDir, port, user } = request
  const server = await startTool(request.tools, {
    tool: 'postgres',
    args: ['-D', dataDir, ...serverArguments(request)],
    settings: undefined,
    cwd: dataDir,
    uid: user?.uid,
    gid: user?.gid,
    runsOurCommands: request.runsOurCommands,
    onStderrLine: request.onStderrLine,
  })
  request.onSpawn?.(server.pid)
  const running = new Server(server, port, socketDir, request.superuser ?? 'postgres')
  try {
    await running.waitUntilUp(request.startTimeoutMs ?? START_TIMEOUT_MS, request.signal)
  } catch (error) {
    await running.stop('immediate')
    throw error
  }
  return running
}

function serverArguments(request: ServerRequest): string[] {
  const settings = [
    `port=${request.port}`,
    `unix_socket_directories=${request.socketDir}`,
    `listen_addresses=${request.listen ?? ''}`,
    'logging_collector=off',
    'log_destination=stderr',
    ...(request.settings ?? []),
  ]
  return settings.flatMap(setting => ['-c', setting])
}

class Server implements RunningServer {
  readonly port: number
  readonly socketDir: string
  readonly connection: ConnectionSettings
  readonly #child: Child

  constructor(child: Child, port: number, socketDir: string, superuser: string) {
    this.#child = child
    this.port = port
    this.socketDir = socketDir
    this.connection = {
      host: socketDir,
      port,
      user: superuser,
      password: undefined,
      database: 'postgres',
      sslMode: 'disable',
      connectTimeoutSeconds: 5,
    }
  }

  get pid(): number {
    return this.#child.pid
  }

  get log(): string {
    const lines = this.#child.stderr.split('\n')
    return lines.filter(line => !NOT_YET.test(line) && !/DETAIL: +Hot standby mode is disabled/.test(line)).join('\n')
  }

  get ended(): boolean {
    return this.#child.ended
  }

  async waitUntilUp(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const until = systemClock.monotonicMs() + timeoutMs
    let last: unknown
    let pauseMs = POLL_MS
    while (systemClock.monotonicMs() < until) {
      throwIfAborted(signal)
      if (this.ended) throw this.#startError('it ended')
      try {
        const session = await openSession(this.connection, { signal })
        await session.close()
        return
      } catch (error) {
        last = error
        // One that refuses us for a reason of its own (a password, a locale) is up; its log must not fill with others.
        if (isAnswer(error)) return
      }
      await systemClock.sleep(pauseMs, signal)
      pauseMs = Math.min(pauseMs * 1.2, LONGEST_POLL_MS)
    }
    throw this.#startError(`it took no connection within ${Math.round(timeoutMs / 1000)} s: ${messageOf(last)}`)
  }

  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    this.#child.kill(mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
    await this.#child.wait()
  }

  #startError(why: string): AppError {
    const words = this.log.split('\n').filter(line => /FATAL|PANIC|ERROR/.test(line))
    return new AppError('tool-failed', `cannot start the PostgreSQL server: ${words.at(-1)?.trim() ?? why}`, {
      hint: 'The end of its log is in the details (--json).',
      context: { log: this.log.slice(-4000) },
    })
  }
}

/** An answer of the server itself, not of the network. */
function isAnswer(error: unknown): boolean {
  const code = isAppError(error) ? error.context['sqlState'] : undefined
  if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)) return code !== CANNOT_CONNECT_NOW
  return /password/.test(messageOf(error))
}

export interface TemporaryClusterRequest {
  readonly tools: PostgresTools
  /** A folder below which it lives; created. */
  readonly dir: string
  /** Default `postgres`. */
  readonly superuser?: string | undefined
  readonly settings?: readonly string[] | undefined
  readonly initArgs?: readonly string[] | undefined
  readonly listen?: string | undefined
  /** As of `ServerRequest`. */
  readonly onSpawn?: ((pid: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface TemporaryCluster {
  readonly server: RunningServer
  readonly dataDir: string
  readonly user: ServerUser | undefined
  /** Stops the server and removes all files. Safe to call twice. */
  remove(): Promise<void>
}

/** A throw-away cluster with a server. `dir` should have a short path: a socket's path is at most 107 bytes. */
export async function startTemporaryCluster(request: TemporaryClusterRequest): Promise<TemporaryCluster> {
  const { tools, dir, superuser, signal } = request
  const user = await serverUser()
  const dataDir = join(dir, 'data')
  const remove = async (): Promise<void> => await rm(dir, { recursive: true, force: true, maxRetries: 3 })
  try {
    await makeFolders(dir, 0o700)
    if (user) await chown(dir, user.uid, user.gid)
    await createCluster({ tools, dataDir, user, superuser, signal, args: request.initArgs })
    const settings = [...THROW_AWAY_SETTINGS, 'max_connections=40', 'shared_buffers=64MB', ...(request.settings ?? [])]
    const server = await startServer({
      tools,
      dataDir,
      socketDir: dir,
      port: await freePort(),
      user,
      signal,
      settings,
      listen: request.listen,
      superuser,
      onSpawn: request.onSpawn,
    })
    return {
      server,
      dataDir,
      user,
      remove: async () => {
        await server.stop('immediate')
        await remove()
      },
    }
  } catch (error) {
    await remove()
    throw error
  }
}

/** A TCP port that nobody listens on right now. */
export async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
