import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort, startServer, withSession } from '../../src/clients/postgres/index.ts'
import { PhysicalSource } from '../../src/sources/postgres/physical/physical-source.ts'
import type { RestoreOutcome } from '../../src/sources/source.ts'
import { type DrainedSnapshot, makeContext, makeTempDir, removeDir } from './drained-snapshot.ts'
import { startTestCluster, type TestCluster } from './postgres-cluster.ts'

export const run = promisify(execFile)

export const PHYSICAL_SETTINGS = [
  'full_page_writes=on',
  'wal_level=replica',
  'max_wal_senders=4',
  'wal_keep_size=512MB',
]

/** A cluster with checksums, 20 000 rows in `t` and an unlogged table `u`; and what tests do with copies of it. */
export class PhysicalBackups {
  readonly test: TestCluster
  readonly source: PhysicalSource

  private constructor(test: TestCluster) {
    this.test = test
    this.source = this.sourceBy('auto')
  }

  static async start(): Promise<PhysicalBackups> {
    const test = await startTestCluster({
      initArgs: ['--auth=trust', '--data-checksums'],
      settings: PHYSICAL_SETTINGS,
    })
    await test.query('postgres', 'CREATE TABLE t (id int PRIMARY KEY, v text)')
    await test.query('postgres', `INSERT INTO t SELECT n, repeat(md5(n::text), 8) FROM generate_series(1, 20000) n`)
    await test.query('postgres', 'CREATE UNLOGGED TABLE u AS SELECT n FROM generate_series(1, 1000) n')
    return new PhysicalBackups(test)
  }

  sourceBy(copy: 'auto' | 'network'): PhysicalSource {
    return new PhysicalSource('shop', { connection: async () => this.test.admin, copy })
  }

  /** A folder that the server's user may pass; the caller removes it. */
  async makeDir(): Promise<string> {
    const dir = await makeTempDir('lb-phys-')
    await run('chmod', ['755', dir])
    return dir
  }

  async restore(
    dir: string,
    snapshot: DrainedSnapshot,
    target: string,
    options: { force?: boolean; delta?: boolean; tablespaces?: Map<string, string> } = {},
  ): Promise<RestoreOutcome> {
    return await this.source.restore({
      ...(await makeContext(dir)),
      snapshot: snapshot.reader,
      target,
      include: [],
      checks: true,
      force: options.force ?? false,
      delta: options.delta ?? false,
      own: { tablespace: [...(options.tablespaces ?? [])].map(each => each.join('=')) },
    })
  }

  /** Runs a server on a copy for one query. */
  async onCopy<T>(target: string, sql: string): Promise<T[]> {
    const socketDir = await makeTempDir('lb-s-')
    await run('chmod', ['777', socketDir])
    const server = await startServer({
      tools: this.test.tools,
      dataDir: target,
      socketDir,
      port: await freePort(),
      user: await ownerOf(target),
    })
    try {
      return (await withSession(server.connection, {}, async s => await s.query(sql))) as T[]
    } finally {
      await server.stop('fast')
      await removeDir(socketDir)
    }
  }

  /** pg_verifybackup's own words, checksums and all. */
  async verify(target: string): Promise<string> {
    return (await run(join(this.test.tools.binDir, 'pg_verifybackup'), [target])).stdout.trim()
  }

  async close(): Promise<void> {
    await this.test.close()
  }
}

/** Whom a server on this folder must run as; undefined: as ourselves. */
export async function ownerOf(dataDir: string): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const { uid, gid } = await stat(dataDir)
  return { uid, gid }
}
