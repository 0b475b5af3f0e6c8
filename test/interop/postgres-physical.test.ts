import { execFile } from 'node:child_process'
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { isAppError } from '../../src/base/errors.ts'
import { freePort, startServer, withSession } from '../../src/clients/postgres/index.ts'
import { PhysicalSource } from '../../src/sources/postgres/physical/physical-source.ts'
import type { RestoreOutcome } from '../../src/sources/source.ts'
import { type DrainedSnapshot, drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'

const run = promisify(execFile)

export const PHYSICAL_SETTINGS = [
  'full_page_writes=on',
  'wal_level=replica',
  'max_wal_senders=4',
  'wal_keep_size=512MB',
]

describeWithPostgres('physical backup of a cluster', () => {
  let test: TestCluster
  let source: PhysicalSource
  let dir = ''

  beforeAll(async () => {
    test = await startTestCluster({
      initArgs: ['--auth=trust', '--data-checksums'],
      settings: PHYSICAL_SETTINGS,
    })
    await test.query('postgres', 'CREATE TABLE t (id int PRIMARY KEY, v text)')
    await test.query('postgres', `INSERT INTO t SELECT n, repeat(md5(n::text), 8) FROM generate_series(1, 20000) n`)
    await test.query('postgres', 'CREATE UNLOGGED TABLE u AS SELECT n FROM generate_series(1, 1000) n')
    source = new PhysicalSource('shop', { connection: async () => test.admin })
  })
  afterAll(async () => {
    await test.close()
  })
  beforeEach(async () => {
    dir = await makeTempDir('lb-phys-')
    await run('chmod', ['755', dir])
  })
  afterEach(async () => {
    await removeDir(dir)
  })

  const restore = async (
    snapshot: DrainedSnapshot,
    target: string,
    options: { force?: boolean; delta?: boolean; tablespaces?: Map<string, string> } = {},
  ): Promise<RestoreOutcome> =>
    await source.restore({
      ...(await makeContext(dir)),
      snapshot: snapshot.reader,
      target,
      include: [],
      checks: true,
      force: options.force ?? false,
      delta: options.delta ?? false,
      tablespaces: options.tablespaces,
    })

  /** Runs a server on a copy for as long as `work` takes. */
  const onCopy = async <T>(target: string, sql: string, database = 'postgres'): Promise<T[]> => {
    const socketDir = await makeTempDir('lb-s-')
    await run('chmod', ['777', socketDir])
    const { uid, gid } = await stat(target)
    const server = await startServer({
      tools: test.tools,
      dataDir: target,
      socketDir,
      port: await freePort(),
      user:
        uid === 0
          ? undefined
          : {
              uid,
              gid,
            },
    })
    try {
      return (await withSession(server.connection, { database }, async s => await s.query(sql))) as T[]
    } finally {
      await server.stop('fast')
      await removeDir(socketDir)
    }
  }

  const verify = async (target: string): Promise<string> =>
    (await run(join(test.tools.binDir, 'pg_verifybackup'), [target])).stdout.trim()

  it('gives a directory that pg_verifybackup passes and a server starts in', async () => {
    const snapshot = await drain(source, dir)
    expect(snapshot.summary.findings.filter(f => f.severity === 'error')).toEqual([])
    expect(snapshot.summary.complete).toBe(true)
    const target = join(dir, 'copy')
    const outcome = await restore(snapshot, target)
    expect(outcome.checks).toEqual([
      { name: 'pg_verifybackup', passed: true, expected: expect.any(String), found: 'backup successfully verified' },
    ])
    expect(await verify(target)).toBe('backup successfully verified')
    expect((await stat(target)).mode & 0o777).toBe(0o700)
    expect(await onCopy(target, 'SELECT count(*)::int AS n, max(v) AS v FROM public.t')).toEqual(
      await test.query('postgres', 'SELECT count(*)::int AS n, max(v) AS v FROM public.t'),
    )
    // An unlogged table is there, empty.
    expect(await onCopy(target, 'SELECT count(*)::int AS n FROM public.u')).toEqual([{ n: 0 }])
  })

  it('is verified by reading it, and by starting a server on it', async () => {
    const snapshot = await drain(source, dir)
    const verifying = async (restored: boolean, of = snapshot): ReturnType<NonNullable<typeof source.verify>> =>
      await source.verify({ ...(await makeContext(dir)), snapshot: of.reader, restore: restored })
    const read = await verifying(false)
    expect(read.checks.map(check => [check.name, check.passed])).toEqual([
      ['files', true],
      ['pages', true],
    ])
    const restored = await verifying(true)
    expect(restored.checks.map(check => [check.name, check.passed])).toEqual([
      ['pg_verifybackup', true],
      ['recovery', true],
    ])
    // A page that went wrong after it was captured.
    const [row] = await test.query<{ path: string }>('postgres', "SELECT pg_relation_filepath('t') AS path")
    const entry = snapshot.entries.find(each => each.path === row?.path)
    const file = await open(entry?.file ?? '', 'r+')
    await file.write(Buffer.from([0xbe, 0xef]), 0, 2, 3 * 8192 + 5000)
    await file.close()
    const damaged = await verifying(false)
    expect(damaged.checks.find(check => !check.passed)?.found).toBe(`wrong in ${row?.path}, block 3`)
  }, 30_000)

  it('tells a server of another cluster in the target, and one that runs', async () => {
    const snapshot = await drain(source, dir)
    const live = test.cluster.dataDir
    const error = await restore(snapshot, live, { force: true }).catch((reason: unknown) => reason)
    expect(isAppError(error, 'target-in-use')).toBe(true)
    const folder = join(dir, 'mine')
    await mkdir(folder)
    await mkdir(join(folder, 'precious'))
    expect(isAppError(await restore(snapshot, folder).catch((e: unknown) => e), 'target-exists')).toBe(true)
    expect(
      isAppError(await restore(snapshot, folder, { force: true }).catch((e: unknown) => e), 'target-invalid'),
    ).toBe(true)
    expect(await readdir(folder)).toEqual(['precious'])
  })

  it('reads again only what was written since, and restores only what differs', async () => {
    await test.query('postgres', 'CHECKPOINT')
    const first = await drain(source, dir)
    const target = join(dir, 'copy')
    await restore(first, target)
    await test.query('postgres', "UPDATE t SET v = 'changed' WHERE id % 1000 = 0")
    // A file that was written within two seconds of the first backup is read again, whatever its times say.
    const second = await drain(source, dir, { type: 'incremental', parent: first })
    expect(second.bytesRead).toBeLessThan(first.bytesRead)
    const unchanged = second.entries.filter(entry => entry.unchanged)
    for (const entry of await drain(source, dir, { type: 'incremental', parent: first, readUnchanged: true }).then(
      again => again.entries.filter(e => e.unchanged),
    )) {
      expect(entry.node.content, entry.path).toEqual(first.entries.find(e => e.path === entry.path)?.node.content)
    }
    expect(unchanged.length).toBeGreaterThan(0)
    const outcome = await restore(second, target, { force: true, delta: true })
    expect(outcome.writtenBytes).toBeLessThan(outcome.totalBytes)
    expect(await verify(target)).toBe('backup successfully verified')
    expect(await onCopy(target, "SELECT count(*)::int AS n FROM public.t WHERE v = 'changed'")).toEqual([{ n: 20 }])
  })

  it('names the relation and block of a damaged page', async () => {
    await test.query('postgres', 'CREATE TABLE victim AS SELECT n, md5(n::text) AS v FROM generate_series(1, 5000) n')
    await test.query('postgres', 'CHECKPOINT')
    const [row] = await test.query<{ path: string }>('postgres', "SELECT pg_relation_filepath('victim') AS path")
    const path = row?.path ?? ''
    const file = await open(join(test.cluster.dataDir, path), 'r+')
    await file.write(Buffer.from([0xde, 0xad]), 0, 2, 7 * 8192 + 4000)
    await file.close()
    try {
      const { summary } = await drain(source, dir)
      const found = summary.findings.filter(finding => finding.code === 'page-damaged')
      expect(found).toHaveLength(1)
      expect(found[0]).toMatchObject({ severity: 'error', subject: 'relation postgres.public.victim', affects: [path] })
      expect(found[0]?.message).toMatch(/block 7$/)
      expect(summary.complete).toBe(false)
    } finally {
      await test.query('postgres', 'DROP TABLE victim')
    }
  })

  it('takes tablespaces along, to another path when told so', async () => {
    const place = join(dir, 'space')
    await mkdir(place)
    const { uid, gid } = await stat(test.cluster.dataDir)
    await run('chown', [`${uid}:${gid}`, place])
    await test.query('postgres', `CREATE TABLESPACE side LOCATION '${place}'`)
    try {
      await test.query('postgres', 'CREATE TABLE aside TABLESPACE side AS SELECT generate_series(1, 1234) AS n')
      const snapshot = await drain(source, dir)
      const target = join(dir, 'copy')
      // The live cluster's own place is never shared.
      expect(isAppError(await restore(snapshot, target).catch((e: unknown) => e), 'target-exists')).toBe(true)
      const moved = join(dir, 'moved')
      await restore(snapshot, target, { tablespaces: new Map([[place, moved]]) })
      expect(await verify(target)).toBe('backup successfully verified')
      expect(await onCopy(target, 'SELECT count(*)::int AS n FROM public.aside')).toEqual([{ n: 1234 }])
      expect((await readdir(moved)).length).toBe(1)
    } finally {
      await test.query('postgres', 'DROP TABLE IF EXISTS aside')
      await test.query('postgres', 'DROP TABLESPACE side')
    }
  })

  it('is consistent under a writer', async () => {
    let stop = false
    let written = 0
    await test.query('postgres', 'CREATE TABLE pair_a (n int); CREATE TABLE pair_b (n int)').catch(() => undefined)
    const writer = withSession(test.admin, {}, async session => {
      while (!stop) {
        await session.query('BEGIN')
        await session.query('INSERT INTO public.pair_a VALUES ($1)', [++written])
        await session.query('INSERT INTO public.pair_b VALUES ($1)', [written])
        await session.query('COMMIT')
      }
    })
    const snapshot = await drain(source, dir)
    stop = true
    await writer
    const target = join(dir, 'copy')
    await restore(snapshot, target)
    const [row] = await onCopy<{ a: number; b: number; gaps: number }>(
      target,
      `SELECT (SELECT count(*)::int FROM public.pair_a) AS a, (SELECT count(*)::int FROM public.pair_b) AS b,
       (SELECT (max(n) - count(*))::int FROM public.pair_a) AS gaps`,
    )
    expect(row?.a).toBeGreaterThan(0)
    expect(row?.a).toBe(row?.b)
    expect(row?.gaps).toBe(0)
    expect(row?.a).toBeLessThanOrEqual(written)
  })

  it('copies over the network, without the data directory', async () => {
    const remote = new PhysicalSource('shop', { connection: async () => test.admin, copy: 'network' })
    const snapshot = await drain(remote, dir, { bufferBytes: 30_000 })
    expect(snapshot.summary.findings.filter(f => f.severity === 'error')).toEqual([])
    expect(snapshot.manifest.database?.properties['startLsn']).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/)
    const target = join(dir, 'copy')
    const outcome = await restore(snapshot, target)
    expect(outcome.checks[0]).toMatchObject({ passed: true, found: 'backup successfully verified' })
    expect(await verify(target)).toBe('backup successfully verified')
    expect(await onCopy(target, 'SELECT count(*)::int AS n FROM public.t')).toEqual([{ n: 20_000 }])
  })

  it('finds damaged pages over the network too', async () => {
    await test.query('postgres', 'CREATE TABLE victim AS SELECT n, md5(n::text) AS v FROM generate_series(1, 5000) n')
    await test.query('postgres', 'CHECKPOINT')
    const [row] = await test.query<{ path: string }>('postgres', "SELECT pg_relation_filepath('victim') AS path")
    const path = row?.path ?? ''
    const file = await open(join(test.cluster.dataDir, path), 'r+')
    await file.write(Buffer.from([0xde, 0xad]), 0, 2, 5 * 8192 + 4000)
    await file.close()
    try {
      const remote = new PhysicalSource('shop', { connection: async () => test.admin, copy: 'network' })
      const { summary } = await drain(remote, dir)
      expect(summary.findings.find(finding => finding.code === 'page-damaged')).toMatchObject({
        subject: 'relation postgres.public.victim',
        message: `page checksum is wrong in ${path}, block 5`,
      })
      expect(summary.complete).toBe(false)
    } finally {
      await test.query('postgres', 'DROP TABLE victim')
    }
  })

  it('takes a backup from a standby', async () => {
    const standbyDir = join(dir, 'standby')
    await restore(await drain(source, dir), standbyDir)
    const { uid, gid } = await stat(standbyDir)
    const conninfo = `host=${test.admin.host} port=${test.admin.port} user=${test.admin.user}`
    await writeFile(join(standbyDir, 'standby.signal'), '')
    const socketDir = await makeTempDir('lb-s-')
    await run('chmod', ['777', socketDir])
    const standby = await startServer({
      tools: test.tools,
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
      await test.query('postgres', "UPDATE t SET v = 'on both' WHERE id <= 100")
      const [{ lsn } = { lsn: '' }] = await test.query<{ lsn: string }>(
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
        { timeout: 10_000, interval: 100 },
      )
      for (const copy of ['local', 'network'] as const) {
        const from = new PhysicalSource('shop', { connection: async () => standby.connection, copy })
        const snapshot = await drain(from, dir)
        expect(snapshot.manifest.database?.properties['fromStandby']).toBe(true)
        const target = join(dir, `copy-${copy}`)
        await restore(snapshot, target)
        expect(await verify(target)).toBe('backup successfully verified')
        expect(await onCopy(target, "SELECT count(*)::int AS n FROM public.t WHERE v = 'on both'")).toEqual([
          { n: 100 },
        ])
      }
      // The signal that makes a standby is no part of the data.
      expect((await drain(there, dir)).entries.map(entry => entry.path)).not.toContain('standby.signal')
    } finally {
      await standby.stop('immediate')
      await removeDir(socketDir)
    }
  }, 60_000)

  it('says beforehand what is missing, each with what mends it', async () => {
    await test.query('postgres', 'CREATE ROLE poor LOGIN')
    const poor = new PhysicalSource('shop', { connection: async () => ({ ...test.admin, user: 'poor' }) })
    const findings = await poor.probe(await makeContext(dir))
    expect(findings.map(f => f.code)).toContain('role-without-replication')
    expect(findings.map(f => f.hint)).toContain('As a superuser run: ALTER ROLE "poor" WITH REPLICATION;')
    expect(findings.every(f => f.severity === 'info' || f.hint)).toBe(true)
    const good = await source.probe(await makeContext(dir))
    expect(good.filter(f => f.severity === 'error')).toEqual([])
    expect(good.find(f => f.code === 'log-not-kept')?.hint).toContain('archive_command')
    const nowhere = new PhysicalSource('shop', { connection: async () => ({ ...test.admin, port: 1 }) })
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

  it('refuses to go on with another cluster, and says when there are no checksums', async () => {
    const other = await startTestCluster({ settings: PHYSICAL_SETTINGS })
    try {
      const first = await drain(source, dir)
      const exchanged = new PhysicalSource('shop', { connection: async () => other.admin })
      const error = await drain(exchanged, dir, { type: 'incremental', parent: first }).catch((e: unknown) => e)
      expect(isAppError(error, 'source-invalid')).toBe(true)
      const { summary } = await drain(exchanged, dir)
      expect(summary.findings.map(finding => finding.code)).toContain('checksums-off')
    } finally {
      await other.close()
    }
  })

  it('goes on after a restore that was cut, and no server starts before', async () => {
    const snapshot = await drain(source, dir)
    const target = join(dir, 'copy')
    const reader = {
      ...snapshot.reader,
      restoreFiles: async () => await Promise.reject(new Error('cut')),
    }
    await source
      .restore({
        ...(await makeContext(dir)),
        snapshot: reader,
        target,
        include: [],
        checks: true,
        force: false,
        delta: false,
      })
      .catch(() => undefined)
    await expect(stat(join(target, 'global/pg_control'))).rejects.toThrow('ENOENT')
    await restore(snapshot, target)
    expect(await verify(target)).toBe('backup successfully verified')
    expect(await readFile(join(target, 'PG_VERSION'), 'utf8')).toMatch(/^\d+\n$/)
    await rm(target, { recursive: true })
  })
})
