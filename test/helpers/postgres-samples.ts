import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type AppError, isAppError } from '../../src/base/errors.ts'
import { runTool } from '../../src/clients/postgres/index.ts'
import type { Mask } from '../../src/model/masking/rules.ts'
import { LogicalSource } from '../../src/sources/postgres/logical/logical-source.ts'
import { openPostgresMerging } from '../../src/sources/postgres/logical/merging/postgres-merging.ts'
import { type PostgresOptions, postgresOptions } from '../../src/sources/postgres/options.ts'
import type { DatabaseSelection, RestoreOutcome, RestoreRequest } from '../../src/sources/source.ts'
import { type DrainedSnapshot, makeContext, makeTempDir, removeDir } from './drained-snapshot.ts'
import { startTestCluster, type TestCluster } from './postgres-cluster.ts'

const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'postgres')

/** Scripts of each sample, in order. */
export const SAMPLES: Readonly<Record<string, readonly string[]>> = {
  sakila: ['sakila/postgres-sakila-schema.sql', 'sakila/postgres-sakila-insert-data-using-copy.sql'],
  chinook: ['chinook/Chinook_PostgreSql_SerialPKs.sql'],
  northwind: ['northwind/northwind_postgres.sql'],
  medusa: ['medusa/medusa_v2_postgres_schema.sql'],
  strapi: ['strapi/strapi_v4_sample_data_postgres.sql'],
  strapi5: ['strapi/strapi_v5_system_tables_postgres.sql'],
}

export interface RestoreOptions {
  readonly force?: boolean
  readonly checks?: boolean
  readonly selection?: DatabaseSelection
  readonly own?: unknown
  readonly jobs?: number
  readonly lockTimeoutSeconds?: number
  readonly mask?: Mask
  readonly signal?: AbortSignal
  readonly takeAway?: RestoreRequest['takeAway']
  readonly beforeChange?: RestoreRequest['beforeChange']
}

/** Two servers, samples in the first, and what a person would do with them by hand. */
export class SampleServers {
  readonly test: TestCluster
  readonly other: TestCluster

  private constructor(test: TestCluster, other: TestCluster) {
    this.test = test
    this.other = other
  }

  static async start(samples: readonly string[]): Promise<SampleServers> {
    const servers = new SampleServers(await startTestCluster(), await startTestCluster())
    await servers.test.query(
      'postgres',
      `CREATE ROLE cs LOGIN PASSWORD 'cs-secret'; CREATE ROLE staff; GRANT staff TO cs`,
    )
    for (const name of samples) await loadSample(servers.test, name)
    return servers
  }

  async close(): Promise<void> {
    await Promise.all([this.test.close(), this.other.close()])
  }
}

/** The samples' scripts create their own database; ours is there already. */
async function loadSample(cluster: TestCluster, name: string): Promise<void> {
  const folder = await makeTempDir('lb-sql-')
  await cluster.createDatabase(name)
  for (const script of SAMPLES[name] ?? []) {
    const text = await readFile(join(FIXTURES, script), 'utf8')
    const file = join(folder, 'script.sql')
    await writeFile(file, text.replace(/^(DROP|CREATE) DATABASE .*$|^\\c .*$/gm, ''))
    await cluster.runScript(name, file)
  }
  await removeDir(folder)
}

export function sourceOf(url: string, more: Partial<PostgresOptions> = {}): LogicalSource {
  return new LogicalSource('shop', postgresOptions.parse({ url, ...more }), { baseDir: '/' })
}

export async function restoreTo(
  dir: string,
  snapshot: DrainedSnapshot,
  target: string,
  more: RestoreOptions = {},
): Promise<RestoreOutcome> {
  const { jobs = 1, lockTimeoutSeconds = 60 } = more
  return await sourceOf(target, { jobs, lockTimeoutSeconds }).restore({
    ...(await makeContext(dir, more.signal)),
    snapshot: snapshot.reader,
    target,
    mask: more.mask,
    include: [],
    checks: more.checks ?? true,
    delta: false,
    force: more.force ?? false,
    selection: more.selection,
    own: more.own,
    takeAway: more.takeAway,
    beforeChange: more.beforeChange,
  })
}

export async function schemaOf(cluster: TestCluster, database: string): Promise<string> {
  const settings = cluster.admin
  const text = await runTool(cluster.clients, { tool: 'pg_dump', args: ['-s'], settings, database }, 'dump')
  return text.replace(/^\\(un)?restrict .*$/gm, '')
}

/** Table -> digest of its rows in no order. */
export async function rowsOf(cluster: TestCluster, database: string): Promise<Record<string, string>> {
  const tables = await cluster.query<{ t: string }>(
    database,
    `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS t FROM pg_tables
     WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`,
  )
  const digests: Record<string, string> = {}
  for (const { t } of tables) {
    const rows = await cluster.query<{ r: string }>(database, `SELECT r::text FROM ONLY ${t} r ORDER BY 1`)
    digests[t] = `${rows.length} ${createHash('sha256').update(JSON.stringify(rows)).digest('hex')}`
  }
  return digests
}

export async function sequencesOf(cluster: TestCluster, database: string): Promise<unknown> {
  return await cluster.query(database, 'SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2')
}

export async function databasesOf(cluster: TestCluster): Promise<string[]> {
  const rows = await cluster.query<{ n: string }>('postgres', 'SELECT datname AS n FROM pg_database ORDER BY 1')
  return rows.map(row => row.n)
}

/** The `AppError` that it fails with. */
export async function failure(work: Promise<unknown>): Promise<AppError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isAppError(error)) throw new Error(`no AppError but ${error instanceof Error ? error.stack : String(error)}`)
  return error
}

/** All of a database that a restore must bring back. */
export async function stateOf(cluster: TestCluster, database: string): Promise<unknown> {
  return {
    schema: await schemaOf(cluster, database),
    rows: await rowsOf(cluster, database),
    sequences: await sequencesOf(cluster, database),
  }
}

/** Rows of the tables of a snapshot as a merge into `url` would read them. */
export async function stagedRows(dir: string, snapshot: DrainedSnapshot, url: string): Promise<Record<string, number>> {
  const request = { ...(await makeContext(dir)), snapshot: snapshot.reader, target: url }
  const place = await openPostgresMerging(request, postgresOptions.parse({ url }), { baseDir: '/' })
  try {
    const rows: Record<string, number> = {}
    for (const table of place.tables.backup) rows[table.name] = await place.countBackupRows(table)
    return rows
  } finally {
    await place.close()
  }
}
