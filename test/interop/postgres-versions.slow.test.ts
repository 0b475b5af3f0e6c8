import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  freePort,
  listPostgresTools,
  type PostgresTools,
  startServer,
  withSession,
} from '../../src/clients/postgres/index.ts'
import { PostgresLog } from '../../src/sources/postgres/physical/log/postgres-log.ts'
import { PhysicalSource } from '../../src/sources/postgres/physical/physical-source.ts'
import type { RecoveryRequest } from '../../src/sources/source.ts'
import { type DrainedSnapshot, drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { ownerOf, run } from '../helpers/physical-backups.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { failure, restoreTo, sourceOf, stateOf } from '../helpers/postgres-samples.ts'
import { otherServers } from '../helpers/postgres-versions.ts'
import { openTestLogStore, testLog } from '../helpers/wal-command.ts'

const COMMAND = join(import.meta.dirname, '..', 'helpers', 'wal-command.ts')
const newestClient = (await listPostgresTools())[0]?.major ?? 0

describeWithPostgres.each(otherServers)(
  'PostgreSQL $version',
  tools => {
    const { major } = tools
    let test: TestCluster
    let dir = ''
    let copies = ''
    let archive = ''
    let space = ''

    beforeAll(async () => {
      archive = await openDir('lb-arc-')
      space = join(archive, 'space')
      await writeFile(join(archive, 'wal-key'), randomBytes(64), { mode: 0o644 })
      test = await startTestCluster({
        tools,
        initArgs: ['--auth=trust', '--data-checksums', '--wal-segsize=1'],
        settings: [
          'full_page_writes=on',
          'archive_mode=on',
          `archive_command=${process.execPath} ${COMMAND} push ${archive} %p`,
          'max_connections=40',
          ...(major >= 17 ? ['summarize_wal=on'] : []),
        ],
      })
      const owner = await ownerOf(test.cluster.dataDir)
      for (const folder of [archive, space, join(archive, 'spool'), join(archive, 'archive')]) {
        await mkdir(folder, { recursive: true })
        if (owner) await run('chown', [`${owner.uid}:${owner.gid}`, folder])
      }
      await test.query('postgres', `CREATE TABLESPACE side LOCATION '${space}'`)
      await test.query('postgres', 'CREATE TABLE t (n int PRIMARY KEY, v text)')
      await test.query('postgres', 'INSERT INTO t SELECT n, repeat(md5(n::text), 8) FROM generate_series(1, 5000) n')
      await test.query('postgres', 'CREATE TABLE aside TABLESPACE side AS SELECT generate_series(1, 1234) AS n')
      await test.query('postgres', 'CREATE UNLOGGED TABLE u AS SELECT n FROM generate_series(1, 1000) n')
    })
    afterAll(async () => {
      await test.close()
      await removeDir(archive)
    })
    beforeEach(async () => {
      dir = await makeTempDir('lb-ver-')
      copies = await openDir('lb-cp-')
    })
    afterEach(async () => {
      await removeDir(dir)
      await removeDir(copies)
    })

    const sourceBy = (copy: 'auto' | 'network'): PhysicalSource =>
      new PhysicalSource('shop', { connection: async () => test.admin, copy })

    const restore = async (snapshot: DrainedSnapshot, name: string, recovery?: RecoveryRequest): Promise<string> => {
      const target = join(copies, name)
      const outcome = await sourceBy('auto').restore({
        ...(await makeContext(dir)),
        snapshot: snapshot.reader,
        target,
        include: [],
        checks: true,
        force: false,
        delta: false,
        recovery,
        own: { tablespace: [`*=${join(copies, `${name}-spaces`)}`] },
      })
      expect(outcome.checks.filter(check => !check.passed)).toEqual([])
      return target
    }

    const expectWhole = async (target: string): Promise<void> => {
      expect(
        await onCopy(
          tools,
          target,
          `SELECT (SELECT count(*) FROM public.t)::int AS t, (SELECT count(*) FROM public.aside)::int AS aside,
         (SELECT count(*) FROM public.u)::int AS u`,
        ),
      ).toEqual([{ t: 5000, aside: 1234, u: 0 }])
    }

    it('copies the data directory, again only what changed', async () => {
      const first = await drain(sourceBy('auto'), dir)
      const second = await drain(sourceBy('auto'), dir, { type: 'incremental', parent: first })
      expect(second.summary.findings.filter(finding => finding.severity !== 'info')).toEqual([])
      await expectWhole(await restore(second, 'local'))
    })

    it('copies the cluster over the network', async () => {
      const snapshot = await drain(sourceBy('network'), dir)
      expect(snapshot.summary.findings.filter(finding => finding.severity !== 'info')).toEqual([])
      await expectWhole(await restore(snapshot, 'network'))
    })

    it('archives its log, and recovers from it to a transaction', async () => {
      const snapshot = await drain(sourceBy('auto'), dir)
      const [row] = await test
        .query<{ xid: string }>(
          'postgres',
          `CREATE TABLE later AS SELECT 1 AS n; SELECT pg_current_xact_id()::text AS xid; `,
        )
        .then(() =>
          test.query<{ xid: string }>(
            'postgres',
            'INSERT INTO later VALUES (2) RETURNING pg_current_xact_id()::text AS xid',
          ),
        )
      await test.query('postgres', 'INSERT INTO later VALUES (3)')
      await archived()
      const target = await restore(snapshot, 'recovered', {
        target: { kind: 'transaction', transaction: row?.xid ?? '' },
        inclusive: true,
        branch: undefined,
        log: { fetchCommand: [process.execPath, COMMAND, 'fetch', archive] },
      })
      expect(await onCopy(tools, target, 'SELECT n FROM public.later ORDER BY n')).toEqual([{ n: 1 }, { n: 2 }])
      expect(existsSync(join(target, 'recovery.signal'))).toBe(false)
      await test.query('postgres', 'DROP TABLE later')
    })

    it('is told what it lacks', async () => {
      const findings = await sourceBy('auto').probe(await makeContext(dir))
      expect(findings.filter(finding => finding.severity === 'error')).toEqual([])
      await test.query('postgres', 'CREATE ROLE poor LOGIN')
      const poor = new PhysicalSource('shop', { connection: async () => ({ ...test.admin, user: 'poor' }) })
      expect(findings.some(finding => finding.code === 'client-unfit')).toBe(newestClient < major)
      const codes = (await poor.probe(await makeContext(dir))).map(finding => finding.code)
      expect(codes).toContain('role-without-replication')
      await test.query('postgres', 'DROP ROLE poor')
    })

    it.runIf(newestClient >= major)('dumps and restores its databases with a newer client', async () => {
      await test.createDatabase('shop')
      await test.query(
        'shop',
        `CREATE TABLE item (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
       INSERT INTO item (name) SELECT md5(n::text) FROM generate_series(1, 500) n;
       CREATE TABLE line (item int REFERENCES item, n int); INSERT INTO line SELECT id, id % 7 FROM item;
       CREATE VIEW big AS SELECT * FROM line WHERE n > 3`,
      )
      const snapshot = await drain(sourceOf(test.url('shop')), dir)
      await restoreTo(dir, snapshot, test.url('shop_copy'))
      expect(await stateOf(test, 'shop_copy')).toEqual(await stateOf(test, 'shop'))
      await test.query('shop_copy', 'DROP TABLE item CASCADE')
      await restoreTo(dir, snapshot, test.url('shop_copy'), { selection: { tables: ['item'] } })
      expect(await stateOf(test, 'shop_copy')).toEqual(await stateOf(test, 'shop'))
    })

    it.runIf(newestClient < major)('is refused for dumps before anything starts: the client is older', async () => {
      const error = await failure(drain(sourceOf(test.url('postgres')), dir))
      expect(error.code).toBe('tool-missing')
      expect(error.message).toContain('is older than the server')
      expect(error.hint).toContain(`postgresql-client-${major}`)
    })

    it('streams its log to a client that is new enough, and is left alone by an older one', async () => {
      const log = new PostgresLog({ connection: async () => test.admin, slot: 'lb_versions' })
      const stop = new AbortController()
      const folder = join(dir, 'received')
      await mkdir(folder)
      const receiving = log
        .receive({ ...(await makeContext(dir, stop.signal)), folder })
        .catch((error: unknown) => error)
      if (newestClient < major) {
        expect(await receiving).toMatchObject({ code: 'tool-missing' })
        expect(await test.query('postgres', 'SELECT slot_name FROM pg_replication_slots')).toEqual([])
        return
      }
      await vi.waitFor(
        async () => {
          await test.query('postgres', 'SELECT pg_switch_wal()')
          expect((await readdir(folder)).some(name => /^[0-9A-F]{24}$/.test(name))).toBe(true)
        },
        { timeout: 60_000, interval: 200 },
      )
      stop.abort()
      await receiving
      await vi.waitFor(async () => await test.query('postgres', "SELECT pg_drop_replication_slot('lb_versions')"), {
        timeout: 60_000,
      })
    })

    const archived = async (): Promise<void> => {
      const store = openTestLogStore(archive)
      const [row] = await test.query<{ name: string; id: string }>(
        'postgres',
        'SELECT pg_walfile_name(pg_switch_wal()) AS name, system_identifier::text AS id FROM pg_control_system()',
      )
      await vi.waitFor(
        async () => {
          if (
            (await store.findHeader(testLog(row?.id ?? ''), { name: row?.name ?? '', unfinished: false })) === undefined
          )
            throw new Error('not archived')
        },
        { timeout: 60_000, interval: 100 },
      )
    }
  },
  120_000,
)

async function openDir(prefix: string): Promise<string> {
  const dir = await makeTempDir(prefix)
  await chmod(dir, 0o755)
  return dir
}

/** Starts a copy, waits until it has recovered, and asks it one thing. */
async function onCopy(tools: PostgresTools, target: string, sql: string): Promise<unknown[]> {
  const socketDir = await makeTempDir('lb-s-')
  await chmod(socketDir, 0o777)
  const user = await ownerOf(target)
  const server = await startServer({
    tools,
    dataDir: target,
    socketDir,
    port: await freePort(),
    user,
    settings: ['archive_mode=off', 'max_connections=40'],
  })
  try {
    return await withSession(server.connection, {}, async session => {
      await vi.waitFor(
        async () => {
          const [row] = await session.query<{ recovering: boolean }>('SELECT pg_is_in_recovery() AS recovering')
          if (row?.recovering !== false) throw new Error('still recovering')
        },
        { timeout: 60_000, interval: 50 },
      )
      return await session.query(sql)
    })
  } finally {
    await server.stop('fast')
    await removeDir(socketDir)
  }
}

describe('servers of other versions', () => {
  it('are each of a version of its own', () => {
    const versions = otherServers.map(tools => tools.version)
    expect(versions).toEqual([...new Set(versions)])
  })
})
