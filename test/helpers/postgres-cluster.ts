import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'
import {
  type ConnectionSettings,
  listPostgresTools,
  type PostgresTools,
  runTool,
  startTemporaryCluster,
  type TemporaryCluster,
  withSession,
} from '../../src/clients/postgres/index.ts'

/** A real server of the tests' own, stopped and removed by `close`. */
export interface TestCluster {
  readonly tools: PostgresTools
  /** The system's own; `tools` of another version may be a server alone. */
  readonly clients: PostgresTools
  readonly cluster: TemporaryCluster
  /** Superuser, over the socket. */
  readonly admin: ConnectionSettings
  /** `postgres://...` of a database, over the socket, as the superuser. */
  url(database: string): string
  query<Row extends object = Record<string, unknown>>(database: string, sql: string, values?: unknown[]): Promise<Row[]>
  /** Runs a script with psql, stopping at the first error. */
  runScript(database: string, file: string): Promise<void>
  createDatabase(name: string): Promise<void>
  close(): Promise<void>
}

export interface TestClusterOptions {
  /** Of another version than the one that is installed. */
  readonly tools?: PostgresTools
  /** Server settings, `name=value`. */
  readonly settings?: readonly string[]
  /** Arguments of initdb beside the defaults; replaces `--auth=trust`. */
  readonly initArgs?: readonly string[]
  /** Listen on TCP as well: `127.0.0.1`. */
  readonly listen?: string
}

const installed = (await listPostgresTools()).find(tools => tools.hasServer)

if (installed === undefined && process.env['CI'] === 'true') {
  throw new Error('no PostgreSQL server programs on this machine')
}
if (installed === undefined) console.warn('skipped: no PostgreSQL server programs on this machine')

/** `describe` where PostgreSQL is installed; elsewhere skipped with one line, but a failure under CI. */
export const describeWithPostgres = installed === undefined ? describe.skip : describe

export async function startTestCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  if (!installed) throw new Error('no PostgreSQL server programs on this machine')
  const dir = await mkdtemp(join(tmpdir(), 'lb-pg-'))
  const cluster = await startTemporaryCluster({
    tools: options.tools ?? installed,
    dir,
    settings: options.settings,
    initArgs: options.initArgs,
    listen: options.listen,
  })
  const admin = cluster.server.connection
  // A test run that dies must not leave servers behind.
  const kill = (): void => {
    if (!cluster.server.ended) process.kill(cluster.server.pid, 'SIGQUIT')
  }
  process.once('exit', kill)
  return {
    tools: options.tools ?? installed,
    clients: installed,
    cluster,
    admin,
    url: database =>
      `postgres://postgres@/${encodeURIComponent(database)}?host=${encodeURIComponent(dir)}&port=${admin.port}`,
    query: async <Row extends object>(database: string, sql: string, values?: unknown[]) =>
      await withSession(admin, { database }, async session => {
        await session.query('SET search_path = public')
        return await session.query<Row>(sql, values)
      }),
    runScript: async (database, file) => {
      await runTool(
        installed,
        { tool: 'psql', args: ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', file], settings: admin, database },
        `run ${file}`,
      )
    },
    createDatabase: async name => {
      await withSession(
        admin,
        {},
        async s => await s.query(`CREATE DATABASE "${name.replaceAll('"', '""')}" TEMPLATE template0`),
      )
    },
    close: async () => {
      process.off('exit', kill)
      await cluster.remove()
      await rm(dir, { recursive: true, force: true })
    },
  }
}
