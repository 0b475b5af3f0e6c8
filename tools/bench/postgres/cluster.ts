import { spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  freePort,
  listPostgresTools,
  type PostgresTools,
  type RunningServer,
  type ServerUser,
  serverUser,
  startServer,
  withSession,
} from '../../../src/clients/postgres/index.ts'
import { createCluster } from '../../../src/clients/postgres/server.ts'
import { MESSAGES_A_USER, makeMessage } from '../mail-messages.ts'
import { SeededRandom, TextGenerator } from '../random-text.ts'

/** A running cluster: `pgbench` holds pgbench's tables, `mail` one table of messages. */
export interface BenchCluster {
  readonly tools: PostgresTools
  /** Who the server runs as, and every tool beside it; undefined: who measures. */
  readonly user: ServerUser | undefined
  readonly dataDir: string
  readonly server: RunningServer
  query(database: string, sql: string): Promise<Record<string, unknown>[]>
  /** `postgres://...` of a database, over the socket. */
  url(database: string): string
  close(): Promise<void>
}

/** Of pgbench's tables, with their indexes; measured. */
const BYTES_A_SCALE = 15_000_000
/** What a message takes in its table, the parts of long ones that PostgreSQL puts aside included; measured. */
const BYTES_A_MESSAGE = 1800
/** The part of a cluster's size that is mail's. */
const MAIL_PART = 0.28
const SEED = 20_240_601

const SETTINGS = [
  'shared_buffers=256MB',
  'max_wal_size=4GB',
  'autovacuum=off',
  'wal_level=replica',
  'max_wal_senders=4',
  'checkpoint_timeout=1h',
  'fsync=off',
  // Log files that wait for another use would be copied with the cluster.
  'wal_recycle=off',
]

const MAIL = `
  CREATE TABLE mail (id int PRIMARY KEY, user_id int NOT NULL, folder text NOT NULL, flags int NOT NULL,
    sent_at int NOT NULL, message_id text NOT NULL, sender text NOT NULL, subject text NOT NULL,
    token text NOT NULL, body text NOT NULL)`
const MAIL_INDEXES = [
  'CREATE INDEX mail_by_user ON mail (user_id, sent_at)',
  'CREATE UNIQUE INDEX mail_by_message_id ON mail (message_id)',
  'CREATE INDEX mail_by_token ON mail (token)',
]

export interface ClusterRequest {
  /** For the cluster: made once a size, then copied for each run. */
  readonly dir: string
  readonly sizeBytes: number
  readonly say: (line: string) => void
}

/** Starts a copy of the cluster of this size, which is made when there is none; undefined where PostgreSQL is not. */
export async function startBenchCluster(request: ClusterRequest): Promise<BenchCluster | undefined> {
  const { dir, say } = request
  const tools = (await listPostgresTools()).find(found => found.hasServer)
  if (tools === undefined) {
    say('PostgreSQL is not installed: left out')
    return undefined
  }
  const user = await serverUser()
  mkdirSync(dir, { recursive: true, mode: 0o711 })
  if (user) chownSync(dir, user.uid, user.gid)
  const made = join(dir, `cluster-${request.sizeBytes}`)
  if (!existsSync(made)) await makeCluster(request, made, tools, user)
  const dataDir = join(dir, 'data')
  rmSync(dataDir, { recursive: true, force: true })
  runPlainly('cp', ['-a', '--reflink=auto', made, dataDir])
  return await startCluster({ tools, user, dataDir, socketDir: dir })
}

interface ClusterPlace {
  readonly tools: PostgresTools
  readonly user: ServerUser | undefined
  readonly dataDir: string
  readonly socketDir: string
}

async function startCluster({ tools, user, dataDir, socketDir }: ClusterPlace): Promise<BenchCluster> {
  const server = await startServer({ tools, dataDir, socketDir, user, port: await freePort(), settings: SETTINGS })
  const kill = (): void => {
    if (!server.ended) process.kill(server.pid, 'SIGQUIT')
  }
  process.once('exit', kill)
  return {
    tools,
    user,
    dataDir,
    server,
    query: async (database, sql) =>
      await withSession(server.connection, { database }, async session => {
        await session.query('SET search_path = public')
        return await session.query(sql)
      }),
    url: database => `postgres://postgres@/${database}?host=${encodeURIComponent(socketDir)}&port=${server.port}`,
    close: async () => {
      process.off('exit', kill)
      await server.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

async function makeCluster(
  { dir, sizeBytes, say }: ClusterRequest,
  path: string,
  tools: PostgresTools,
  user: ServerUser | undefined,
): Promise<void> {
  const dataDir = join(dir, 'new')
  const scale = Math.max(1, Math.round((sizeBytes * (1 - MAIL_PART)) / BYTES_A_SCALE))
  const messages = Math.max(1000, Math.round((sizeBytes * MAIL_PART) / BYTES_A_MESSAGE))
  say(`making a cluster: pgbench -s ${scale}, ${messages} messages`)
  rmSync(dataDir, { recursive: true, force: true })
  await createCluster({ tools, dataDir, user, args: ['--auth=trust', '--data-checksums'] })
  const cluster = await startCluster({ tools, user, dataDir, socketDir: dir })
  await cluster.query('postgres', 'CREATE DATABASE pgbench')
  await cluster.query('postgres', 'CREATE DATABASE mail')
  const connect = ['-h', dir, '-p', String(cluster.server.port), '-U', 'postgres']
  runPlainly(join(tools.binDir, 'pgbench'), ['-i', '-q', '-s', String(scale), ...connect, 'pgbench'])
  await cluster.query('mail', MAIL)
  await fillMail(join(tools.binDir, 'psql'), [...connect, 'mail'], messages)
  for (const sql of [...MAIL_INDEXES, 'VACUUM FREEZE ANALYZE mail', 'CHECKPOINT']) await cluster.query('mail', sql)
  await cluster.server.stop()
  renameSync(dataDir, path)
}

async function fillMail(psql: string, args: readonly string[], messages: number): Promise<void> {
  const random = new SeededRandom(SEED)
  const writer = { random, text: new TextGenerator(random) }
  const users = Math.max(5, Math.round(messages / MESSAGES_A_USER))
  const child = spawn(psql, ['-X', '-q', '-c', 'COPY mail FROM STDIN', ...args], {
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  const ended = new Promise<number | null>(resolve => child.once('exit', resolve))
  for (let id = 1; id <= messages; id++) {
    const row = makeMessage(id, users, writer).join('\t').replaceAll('\n', '\\n')
    if (!child.stdin.write(`${row}\n`)) await new Promise(resolve => child.stdin.once('drain', resolve))
  }
  child.stdin.end()
  if ((await ended) !== 0) throw new Error('psql took no messages')
}

/** Changes one row in a hundred of the mail, scattered over the whole table, and writes all of it to the files. */
export async function touchMail(cluster: BenchCluster, round: number): Promise<void> {
  await cluster.query('mail', `UPDATE mail SET flags = 2 + (flags + 7) % 120 WHERE hashint4(id + ${round}) % 100 = 0`)
  await cluster.query('mail', 'CHECKPOINT')
}

export function runPlainly(command: string, args: readonly string[]): void {
  const result = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
  if (result.status !== 0) throw new Error(`${command} ended with ${result.status}\n${result.stderr}`)
}
