import { open, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { isAppError } from '../../src/base/errors.ts'
import { freePort, startServer, withSession } from '../../src/clients/postgres/index.ts'
import { PhysicalSource } from '../../src/sources/postgres/physical/physical-source.ts'
import { drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { PHYSICAL_SETTINGS, PhysicalBackups, run } from '../helpers/physical-backups.ts'
import { describeWithPostgres, startTestCluster } from '../helpers/postgres-cluster.ts'
import { TcpProxy } from '../helpers/tcp-proxy.ts'

describeWithPostgres('physical backup of other servers', () => {
  let bench: PhysicalBackups
  let dir = ''

  beforeAll(async () => {
    bench = await PhysicalBackups.start()
  })
  afterAll(async () => await bench.close())
  beforeEach(async () => {
    dir = await bench.makeDir()
  })
  afterEach(async () => await removeDir(dir))

  it('copies over the network, without the data directory', async () => {
    const remote = bench.sourceBy('network')
    const snapshot = await drain(remote, dir, { bufferBytes: 30_000 })
    expect(snapshot.summary.findings.filter(f => f.severity === 'error')).toEqual([])
    expect(snapshot.manifest.database?.properties['startLsn']).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/)
    const target = join(dir, 'copy')
    const outcome = await bench.restore(dir, snapshot, target)
    expect(outcome.checks[0]).toMatchObject({ passed: true, found: 'backup successfully verified' })
    expect(await bench.verify(target)).toBe('backup successfully verified')
    expect(await bench.onCopy(target, 'SELECT count(*)::int AS n FROM public.t')).toEqual([{ n: 20_000 }])
  })

  it('finds damaged pages over the network too', async () => {
    await bench.test.query(
      'postgres',
      'CREATE TABLE victim AS SELECT n, md5(n::text) AS v FROM generate_series(1, 5000) n',
    )
    await bench.test.query('postgres', 'CHECKPOINT')
    const [row] = await bench.test.query<{ path: string }>('postgres', "SELECT pg_relation_filepath('victim') AS path")
    const path = row?.path ?? ''
    const file = await open(join(bench.test.cluster.dataDir, path), 'r+')
    await file.write(Buffer.from([0xde, 0xad]), 0, 2, 5 * 8192 + 4000)
    await file.close()
    try {
      const remote = bench.sourceBy('network')
      const { summary } = await drain(remote, dir)
      expect(summary.findings.find(finding => finding.code === 'page-damaged')).toMatchObject({
        subject: 'relation postgres.public.victim',
        message: `page checksum is wrong in ${path}, block 5`,
      })
      expect(summary.complete).toBe(false)
    } finally {
      await bench.test.query('postgres', 'DROP TABLE victim')
    }
  })

  it('takes a backup from a standby', async () => {
    const standbyDir = join(dir, 'standby')
    await bench.restore(dir, await drain(bench.source, dir), standbyDir)
    const { uid, gid } = await stat(standbyDir)
    const conninfo = `host=${bench.test.admin.host} port=${bench.test.admin.port} user=${bench.test.admin.user}`
    await writeFile(join(standbyDir, 'standby.signal'), '')
    const socketDir = await makeTempDir('lb-s-')
    await run('chmod', ['777', socketDir])
    const standby = await startServer({
      tools: bench.test.tools,
      dataDir: standbyDir,
      socketDir,
      port: await freePort(),
      user:
        uid === 0
          ? undefined
          : {
              uid,
              gid,
            },
      settings: [`primary_conninfo=${conninfo}`, 'hot_standby=on', ...PHYSICAL_SETTINGS, 'max_connections=40'],
    })
    try {
      await bench.test.query('postgres', "UPDATE t SET v = 'on both' WHERE id <= 100")
      const [{ lsn } = { lsn: '' }] = await bench.test.query<{ lsn: string }>(
        'postgres',
        'SELECT pg_switch_wal()::text AS lsn',
      )
      const there = new PhysicalSource('shop', { connection: async () => standby.connection })
      await vi.waitFor(
        async () => {
          const [row] = await withSession(standby.connection, {}, async s =>
            s.query<{ done: boolean }>('SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS done', [lsn]),
          )
          if (row?.done !== true) throw new Error('not replayed')
        },
        { timeout: 60_000, interval: 100 },
      )
      for (const copy of ['local', 'network'] as const) {
        const from = new PhysicalSource('shop', { connection: async () => standby.connection, copy })
        const snapshot = await drain(from, dir)
        expect(snapshot.manifest.database?.properties['fromStandby']).toBe(true)
        const target = join(dir, `copy-${copy}`)
        await bench.restore(dir, snapshot, target)
        expect(await bench.verify(target)).toBe('backup successfully verified')
        expect(await bench.onCopy(target, "SELECT count(*)::int AS n FROM public.t WHERE v = 'on both'")).toEqual([
          { n: 100 },
        ])
      }
      // The signal that makes a standby is no part of the data.
      expect((await drain(there, dir)).entries.map(entry => entry.path)).not.toContain('standby.signal')
    } finally {
      await standby.stop('immediate')
      await removeDir(socketDir)
    }
  })

  it('says beforehand what is missing, each with what mends it', async () => {
    await bench.test.query('postgres', 'CREATE ROLE poor LOGIN')
    const poor = new PhysicalSource('shop', { connection: async () => ({ ...bench.test.admin, user: 'poor' }) })
    const findings = await poor.probe(await makeContext(dir))
    expect(findings.map(f => f.code)).toContain('role-without-replication')
    expect(findings.map(f => f.hint)).toContain('As a superuser run: ALTER ROLE "poor" WITH REPLICATION;')
    expect(findings.every(f => f.severity === 'info' || f.hint)).toBe(true)
    const good = await bench.source.probe(await makeContext(dir))
    expect(good.filter(f => f.severity === 'error')).toEqual([])
    expect(good.find(f => f.code === 'log-not-kept')?.hint).toContain('archive_command')
    const nowhere = new PhysicalSource('shop', { connection: async () => ({ ...bench.test.admin, port: 1 }) })
    expect((await nowhere.probe(await makeContext(dir)))[0]?.severity).toBe('error')
  })

  it.each(['local', 'network'] as const)(
    'leaves no capture when the server goes away in the middle (%s)',
    async copy => {
      const other = await startTestCluster({ settings: PHYSICAL_SETTINGS })
      try {
        await other.query(
          'postgres',
          'CREATE TABLE big AS SELECT repeat(md5(n::text), 50) AS v FROM generate_series(1, 20000) n',
        )
        const dying = new PhysicalSource('dying', { connection: async () => other.admin, copy })
        const context = await makeContext(dir)
        const capture = await dying.capture({ ...context, type: 'full', parent: undefined, excludePaths: [] })
        const reading = async (): Promise<void> => {
          let files = 0
          for await (const entry of capture.entries()) {
            const content = await entry.open?.()
            while (content && (await content.read(Buffer.alloc(100_000))) === 100_000);
            await content?.close()
            entry.settled?.()
            if (++files === 100) await other.cluster.server.stop('immediate')
          }
        }
        const error = await reading().catch((reason: unknown) => reason)
        expect(isAppError(error) && error.code).toBe('source-unreachable')
        await capture.close()
      } finally {
        await other.close()
      }
    },
  )

  it('leaves no capture when the network is cut in the middle', async () => {
    const other = await startTestCluster({ settings: PHYSICAL_SETTINGS, listen: '127.0.0.1' })
    const proxy = await TcpProxy.start(other.admin.port, (through, bytes) => bytes > 5_000_000 && through.cut())
    try {
      const connection = async () => ({ ...other.admin, host: '127.0.0.1', port: proxy.port })
      const far = new PhysicalSource('far', { connection, copy: 'network' })
      const error = await drain(far, dir).catch((reason: unknown) => reason)
      expect(isAppError(error) && [error.code, error.message]).toEqual([
        'source-unreachable',
        expect.stringContaining('the connection to the server broke'),
      ])
    } finally {
      proxy.cut()
      await other.close()
    }
  })

  it('refuses to go on with another cluster, and says when there are no checksums', async () => {
    // PostgreSQL 18 has them unless told otherwise.
    const without = bench.test.tools.major >= 18 ? ['--no-data-checksums'] : []
    const other = await startTestCluster({ settings: PHYSICAL_SETTINGS, initArgs: ['--auth=trust', ...without] })
    try {
      const first = await drain(bench.source, dir)
      const exchanged = new PhysicalSource('shop', { connection: async () => other.admin })
      const error = await drain(exchanged, dir, { type: 'incremental', parent: first }).catch((e: unknown) => e)
      expect(isAppError(error, 'source-invalid')).toBe(true)
      const { summary } = await drain(exchanged, dir)
      expect(summary.findings.map(finding => finding.code)).toContain('checksums-off')
    } finally {
      await other.close()
    }
  })
})
