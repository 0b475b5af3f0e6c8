import { mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { isAppError } from '../../src/base/errors.ts'
import { withSession } from '../../src/clients/postgres/index.ts'
import type { PhysicalSource } from '../../src/sources/postgres/physical/physical-source.ts'
import type { OnRestored } from '../../src/sources/source.ts'
import { drain, makeContext, removeDir } from '../helpers/drained-snapshot.ts'
import { PhysicalBackups, run } from '../helpers/physical-backups.ts'
import { describeWithPostgres } from '../helpers/postgres-cluster.ts'

describeWithPostgres('physical backup of a cluster', () => {
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

  it('gives a directory that pg_verifybackup passes and a server starts in', async () => {
    const snapshot = await drain(bench.source, dir)
    expect(snapshot.summary.findings.filter(f => f.severity === 'error')).toEqual([])
    expect(snapshot.summary.complete).toBe(true)
    const target = join(dir, 'copy')
    const outcome = await bench.restore(dir, snapshot, target)
    expect(outcome.checks).toEqual([
      { name: 'pg_verifybackup', passed: true, expected: expect.any(String), found: 'backup successfully verified' },
    ])
    expect(await bench.verify(target)).toBe('backup successfully verified')
    expect((await stat(target)).mode & 0o777).toBe(0o700)
    expect(await bench.onCopy(target, 'SELECT count(*)::int AS n, max(v) AS v FROM public.t')).toEqual(
      await bench.test.query('postgres', 'SELECT count(*)::int AS n, max(v) AS v FROM public.t'),
    )
    // An unlogged table is there, empty.
    expect(await bench.onCopy(target, 'SELECT count(*)::int AS n FROM public.u')).toEqual([{ n: 0 }])
  })

  it('is verified by reading it, and by starting a server on it', async () => {
    const snapshot = await drain(bench.source, dir)
    // What the user asserts is asked while the server is up.
    const ask: OnRestored = async ({ query }) => {
      const answer = await query?.({ sql: 'SELECT count(*) FROM public.t', limit: 1, timeoutMs: 10_000 })
      return [{ name: 'asked', passed: true, expected: '', found: JSON.stringify(answer) }]
    }
    const [counted] = await bench.test.query<{ n: string }>('postgres', 'SELECT count(*)::text AS n FROM public.t')
    const verifying = async (restored: boolean, of = snapshot): ReturnType<PhysicalSource['verify']> =>
      await bench.source.verify({
        ...(await makeContext(dir)),
        snapshot: of.reader,
        restore: restored,
        onRestored: ask,
      })
    const read = await verifying(false)
    expect(read.checks.map(check => [check.name, check.passed])).toEqual([
      ['files', true],
      ['pages', true],
    ])
    const restored = await verifying(true)
    expect(restored.checks.map(check => [check.name, check.passed])).toEqual([
      ['pg_verifybackup', true],
      ['recovery', true],
      ['asked', true],
    ])
    expect(restored.checks.at(-1)?.found).toBe(
      JSON.stringify({ columns: ['count'], rows: [[counted?.n]], more: false }),
    )
    // A page that went wrong after it was captured.
    const [row] = await bench.test.query<{ path: string }>('postgres', "SELECT pg_relation_filepath('t') AS path")
    const entry = snapshot.entries.find(each => each.path === row?.path)
    const file = await open(entry?.file ?? '', 'r+')
    await file.write(Buffer.from([0xbe, 0xef]), 0, 2, 3 * 8192 + 5000)
    await file.close()
    const damaged = await verifying(false)
    expect(damaged.checks.find(check => !check.passed)?.found).toBe(`wrong in ${row?.path}, block 3`)
  })

  it('tells a server of another cluster in the target, and one that runs', async () => {
    const snapshot = await drain(bench.source, dir)
    const live = bench.test.cluster.dataDir
    const error = await bench.restore(dir, snapshot, live, { force: true }).catch((reason: unknown) => reason)
    expect(isAppError(error, 'target-in-use')).toBe(true)
    const folder = join(dir, 'mine')
    await mkdir(folder)
    await mkdir(join(folder, 'precious'))
    expect(isAppError(await bench.restore(dir, snapshot, folder).catch((e: unknown) => e), 'target-exists')).toBe(true)
    expect(
      isAppError(
        await bench.restore(dir, snapshot, folder, { force: true }).catch((e: unknown) => e),
        'target-invalid',
      ),
    ).toBe(true)
    expect(await readdir(folder)).toEqual(['precious'])
  })

  it('reads again only what was written since, and restores only what differs', async () => {
    await bench.test.query('postgres', 'CHECKPOINT')
    const first = await drain(bench.source, dir)
    const target = join(dir, 'copy')
    await bench.restore(dir, first, target)
    await bench.test.query('postgres', "UPDATE t SET v = 'changed' WHERE id % 1000 = 0")
    // A file that was written within two seconds of the first backup is read again, whatever its times say.
    const second = await drain(bench.source, dir, { type: 'incremental', parent: first })
    expect(second.bytesRead).toBeLessThan(first.bytesRead)
    const unchanged = second.entries.filter(entry => entry.unchanged)
    for (const entry of await drain(bench.source, dir, {
      type: 'incremental',
      parent: first,
      readUnchanged: true,
    }).then(again => again.entries.filter(e => e.unchanged))) {
      expect(entry.node.content, entry.path).toEqual(first.entries.find(e => e.path === entry.path)?.node.content)
    }
    expect(unchanged.length).toBeGreaterThan(0)
    const outcome = await bench.restore(dir, second, target, { force: true, delta: true })
    expect(outcome.writtenBytes).toBeLessThan(outcome.totalBytes)
    expect(await bench.verify(target)).toBe('backup successfully verified')
    expect(await bench.onCopy(target, "SELECT count(*)::int AS n FROM public.t WHERE v = 'changed'")).toEqual([
      { n: 20 },
    ])
  })

  it('names the relation and block of a damaged page', async () => {
    await bench.test.query(
      'postgres',
      'CREATE TABLE victim AS SELECT n, md5(n::text) AS v FROM generate_series(1, 5000) n',
    )
    await bench.test.query('postgres', 'CHECKPOINT')
    const [row] = await bench.test.query<{ path: string }>('postgres', "SELECT pg_relation_filepath('victim') AS path")
    const path = row?.path ?? ''
    const file = await open(join(bench.test.cluster.dataDir, path), 'r+')
    await file.write(Buffer.from([0xde, 0xad]), 0, 2, 7 * 8192 + 4000)
    await file.close()
    try {
      const { summary } = await drain(bench.source, dir)
      const found = summary.findings.filter(finding => finding.code === 'page-damaged')
      expect(found).toHaveLength(1)
      expect(found[0]).toMatchObject({ severity: 'error', subject: 'relation postgres.public.victim', affects: [path] })
      expect(found[0]?.message).toMatch(/block 7$/)
      expect(summary.complete).toBe(false)
    } finally {
      await bench.test.query('postgres', 'DROP TABLE victim')
    }
  })

  it('never takes a backup_label that lies in the data directory for its own', async () => {
    const left = join(bench.test.cluster.dataDir, 'backup_label')
    await writeFile(left, 'START WAL LOCATION: 0/1 (file 000000010000000000000001)\n')
    try {
      const snapshot = await drain(bench.source, dir)
      const label = snapshot.entries.filter(entry => entry.path === 'backup_label')
      expect(label).toHaveLength(1)
      expect(await readFile(label[0]?.file ?? '', 'utf8')).toContain('LABEL: lifeboat shop')
      await bench.restore(dir, snapshot, join(dir, 'copy'))
      expect(await bench.verify(join(dir, 'copy'))).toBe('backup successfully verified')
    } finally {
      await rm(left)
    }
  })

  it.each(['auto', 'network'] as const)('takes tablespaces along, to another path when told so (%s)', async copy => {
    // A backslash and a line end in a path are escaped in the map of tablespaces.
    const [place, empty] = [join(dir, 'space'), join(dir, 'no\\thing\nhere')]
    const { uid, gid } = await stat(bench.test.cluster.dataDir)
    for (const folder of [place, empty]) {
      await mkdir(folder)
      await run('chown', [`${uid}:${gid}`, folder])
    }
    await bench.test.query('postgres', `CREATE TABLESPACE side LOCATION '${place}'`)
    await bench.test.query('postgres', `CREATE TABLESPACE "empty one" LOCATION '${empty}'`)
    try {
      await bench.test.query('postgres', 'CREATE TABLE aside TABLESPACE side AS SELECT generate_series(1, 1234) AS n')
      const snapshot = await drain(bench.sourceBy(copy), dir)
      const oids = snapshot.entries.filter(entry => /^pg_tblspc\/\d+$/.test(entry.path))
      expect(oids).toHaveLength(2)
      const target = join(dir, 'copy')
      // The live cluster's own place is never shared.
      expect(isAppError(await bench.restore(dir, snapshot, target).catch((e: unknown) => e), 'target-exists')).toBe(
        true,
      )
      const moved = join(dir, 'moved')
      await bench.restore(dir, snapshot, target, {
        tablespaces: new Map([
          [place, moved],
          [empty, join(dir, 'moved too')],
        ]),
      })
      expect(await bench.verify(target)).toBe('backup successfully verified')
      expect(await bench.onCopy(target, 'SELECT count(*)::int AS n FROM public.aside')).toEqual([{ n: 1234 }])
      expect((await readdir(moved)).length).toBe(1)
    } finally {
      await bench.test.query('postgres', 'DROP TABLE IF EXISTS aside')
      for (const name of ['side', '"empty one"']) await bench.test.query('postgres', `DROP TABLESPACE ${name}`)
    }
  })

  it('is consistent under a writer', async () => {
    let stop = false
    let written = 0
    await bench.test
      .query('postgres', 'CREATE TABLE pair_a (n int); CREATE TABLE pair_b (n int)')
      .catch(() => undefined)
    const writer = withSession(bench.test.admin, {}, async session => {
      while (!stop) {
        await session.query('BEGIN')
        await session.query('INSERT INTO public.pair_a VALUES ($1)', [++written])
        await session.query('INSERT INTO public.pair_b VALUES ($1)', [written])
        await session.query('COMMIT')
      }
    })
    const snapshot = await drain(bench.source, dir)
    stop = true
    await writer
    const target = join(dir, 'copy')
    await bench.restore(dir, snapshot, target)
    const [row] = await bench.onCopy<{ a: number; b: number; gaps: number }>(
      target,
      `SELECT (SELECT count(*)::int FROM public.pair_a) AS a, (SELECT count(*)::int FROM public.pair_b) AS b,
       (SELECT (max(n) - count(*))::int FROM public.pair_a) AS gaps`,
    )
    expect(row?.a).toBeGreaterThan(0)
    expect(row?.a).toBe(row?.b)
    expect(row?.gaps).toBe(0)
    expect(row?.a).toBeLessThanOrEqual(written)
  })

  it('goes on after a restore that was cut, and no server starts before', async () => {
    const snapshot = await drain(bench.source, dir)
    const target = join(dir, 'copy')
    const reader = {
      ...snapshot.reader,
      restoreFiles: async () => await Promise.reject(new Error('cut')),
    }
    await bench.source
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
    await bench.restore(dir, snapshot, target)
    expect(await bench.verify(target)).toBe('backup successfully verified')
    expect(await readFile(join(target, 'PG_VERSION'), 'utf8')).toMatch(/^\d+\n$/)
    await rm(target, { recursive: true })
  })
})
