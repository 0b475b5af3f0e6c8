import { mkdir, readdir, readFile, readlink, rename, stat, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { freePort, startServer } from '../../src/clients/postgres/index.ts'
import type { RestoreOutcome, RestoreRequest } from '../../src/sources/source.ts'
import type { KeptRequest, TargetRequest } from '../../src/sources/target.ts'
import { type DrainedSnapshot, drain, makeContext, removeDir } from '../helpers/drained-snapshot.ts'
import { failFolderSyncs } from '../helpers/folder-sync.ts'
import { ownerOf, PhysicalBackups, run } from '../helpers/physical-backups.ts'
import { describeWithPostgres } from '../helpers/postgres-cluster.ts'
import { RestoreProcess } from '../helpers/postgres-restore-process.ts'
import { failure } from '../helpers/postgres-samples.ts'

const KEEP_AS = 'before-1a2b3c4d'

describeWithPostgres('replacing a cluster', () => {
  let bench: PhysicalBackups
  let dir = ''
  let path = ''
  let first: DrainedSnapshot
  let second: DrainedSnapshot
  let snapshots = ''
  let running: RestoreProcess | undefined

  beforeAll(async () => {
    bench = await PhysicalBackups.start()
    snapshots = await bench.makeDir()
    const space = join(snapshots, 'space')
    await mkdir(space)
    const { user } = bench.test.cluster
    if (user) await run('chown', [`${user.uid}:${user.gid}`, space])
    await bench.test.query('postgres', `CREATE TABLESPACE fast LOCATION '${space}'`)
    await bench.test.query('postgres', `CREATE TABLE era TABLESPACE fast AS SELECT 'then' AS name`)
    await bench.test.query('postgres', 'CHECKPOINT')
    first = await drain(bench.source, snapshots)
    await bench.test.query('postgres', `UPDATE era SET name = 'now'`)
    second = await drain(bench.source, snapshots)
  })
  afterAll(async () => {
    await bench.close()
    await removeDir(snapshots)
  })
  beforeEach(async () => {
    dir = await bench.makeDir()
    path = join(dir, 'main')
  })
  afterEach(async () => {
    await running?.kill()
    await removeDir(dir)
  })

  const restore = async (snapshot: DrainedSnapshot, more: Partial<RestoreRequest> = {}): Promise<RestoreOutcome> =>
    await bench.source.restore({
      ...(await makeContext(dir)),
      snapshot: snapshot.reader,
      target: path,
      include: [],
      checks: true,
      force: true,
      delta: false,
      keepAs: KEEP_AS,
      ...more,
    })
  /** The cluster of now, at `path`, as an application would have it: with its tablespace at a place of its own. */
  const makeTarget = async (): Promise<string> => {
    const space = join(dir, 'fast')
    await restore(second, { force: false, keepAs: undefined, own: { tablespace: [`*=${space}`] } })
    const [oid = ''] = await readdir(join(path, 'pg_tblspc'))
    return join(space, oid)
  }
  const kept = async (): Promise<KeptRequest> => ({ ...(await makeContext(dir)), target: path, keptAs: KEEP_AS })
  const survey = async (more: Partial<TargetRequest> = {}) =>
    await bench.source.targets.survey({ ...(await makeContext(dir)), target: path, ...more })
  const eraOf = async (place = path): Promise<string | undefined> =>
    (await bench.onCopy<{ name: string }>(place, 'SELECT name FROM public.era'))[0]?.name
  const names = async (): Promise<string[]> => (await readdir(dir)).filter(name => name.startsWith('main')).toSorted()

  it('keeps the old one with its tablespaces, puts it back, and drops it', async () => {
    const space = await makeTarget()
    // As if the backup had been taken with the tablespace where it is now: its place is taken.
    const moved = await relocate(first, space)
    const seen: string[][] = []
    const outcome = await restore(moved, { beforeChange: async () => void seen.push(await names()) })
    expect(seen).toEqual([['main', 'main.lifeboat-partial']])
    expect(outcome.checks).toMatchObject([{ name: 'pg_verifybackup', passed: true }])
    expect(outcome.kept).toEqual([{ target: path, kept: `${path}.${KEEP_AS}` }])
    const [oid = ''] = await readdir(join(path, 'pg_tblspc'))
    const place = await readlink(join(path, 'pg_tblspc', oid))
    expect(place).toBe(`${space}.lifeboat-${moved.id.slice(0, 8)}`)
    expect(outcome.findings).toMatchObject([{ code: 'tablespace-moved' }])
    expect(await names()).toEqual(['main', `main.${KEEP_AS}`])
    expect([await eraOf(), await eraOf(`${path}.${KEEP_AS}`)]).toEqual(['then', 'now'])
    expect(await bench.source.targets.settle(await kept())).toEqual({ state: 'finished', kept: outcome.kept })

    expect(await bench.source.targets.putBack({ ...(await kept()), keepNowAs: 'undone-1a2b3c4d' })).toEqual([
      { target: path, kept: `${path}.undone-1a2b3c4d` },
    ])
    expect([await eraOf(), await eraOf(`${path}.undone-1a2b3c4d`)]).toEqual(['now', 'then'])
    expect((await failure(bench.source.targets.putBack(await kept()))).code).toBe('not-found')
    await bench.source.targets.dropKept({ ...(await kept()), keptAs: 'undone-1a2b3c4d' })
    await expect(stat(place)).rejects.toThrow('ENOENT')
    expect(await eraOf()).toBe('now')

    // The place that it had is the old one's still; dropped, only the new one's is left.
    await restore(moved)
    await bench.source.targets.dropKept(await kept())
    await bench.source.targets.dropKept(await kept())
    expect(await readdir(space)).toEqual([])
    expect(await names()).toEqual(['main'])
    expect(await eraOf()).toBe('then')
    await restore(second, { keepAs: 'before-2', own: { tablespace: [`*=${join(dir, 'elsewhere')}`] } })
    await bench.source.targets.putBack({ ...(await kept()), keptAs: 'before-2' })
    expect(await eraOf()).toBe('then')
    expect(await readdir(join(dir, 'elsewhere', oid)).catch(() => [])).toEqual([])
  })

  it('works on a file system that cannot sync folders, and fails on a disk that breaks', async () => {
    const refused = await failFolderSyncs('EINVAL')
    await makeTarget()
    await restore(first, { own: { tablespace: [`*=${join(dir, 'new')}`] } })
    expect([await eraOf(), await eraOf(`${path}.${KEEP_AS}`)]).toEqual(['then', 'now'])
    await bench.source.targets.putBack(await kept())
    expect(await eraOf()).toBe('now')
    await restore(first, { delta: true, keepAs: undefined, own: { tablespace: [`*=${join(dir, 'fast')}`] } })
    expect(await eraOf()).toBe('then')
    expect(refused()).toBeGreaterThan(5)
    await failFolderSyncs('EIO')
    const own = { tablespace: [`*=${join(dir, 'spare')}`] }
    const broken = restore(second, { target: join(dir, 'other'), force: false, keepAs: undefined, own })
    expect((await failure(broken)).code).toBe('target-invalid')
  })

  it('is killed before, between and after the two renames', async () => {
    await makeTarget()
    const order = {
      options: { kind: 'postgres-cluster', host: '/nowhere' },
      target: path,
      keepAs: KEEP_AS,
      own: { tablespace: [`*=${join(dir, 'new')}`] },
    }
    running = await RestoreProcess.start(dir, first, { ...order, holdAt: 'before' })
    await running.reach('before')
    await running.kill()
    expect(await bench.source.targets.settle(await kept())).toEqual({ state: 'untouched', kept: [] })
    expect(await eraOf()).toBe('now')
    expect((await survey()).findings).toMatchObject([{ severity: 'info', code: 'restore-unfinished' }])

    // Between the two, as the swap leaves it.
    await rename(path, `${path}.${KEEP_AS}`)
    expect(await bench.source.targets.settle(await kept())).toEqual({ state: 'rolled-back', kept: [] })
    expect(await eraOf()).toBe('now')

    // The same again goes on: nothing is written that is there.
    running = await RestoreProcess.start(dir, first, { ...order, holdAt: 'after' })
    const { writtenBytes } = await running.reach('after')
    await running.kill()
    expect(writtenBytes).toBeLessThan(100_000)
    const settled = await bench.source.targets.settle(await kept())
    expect(settled).toEqual({ state: 'finished', kept: [{ target: path, kept: `${path}.${KEEP_AS}` }] })
    expect(await eraOf()).toBe('then')
    expect(await names()).toEqual(['main', `main.${KEEP_AS}`])
  })

  it('says before anything is written what stands in the way, and then changes nothing', async () => {
    expect(await survey()).toMatchObject({ place: path, exists: false, findings: [] })
    await makeTarget()
    const coming = { sizeBytes: 1, engineVersion: undefined, manifest: first.manifest }
    const found = await survey({ coming })
    expect(found).toMatchObject({
      exists: true,
      engineVersion: expect.stringMatching(/^PostgreSQL \d+$/),
      findings: [],
    })
    expect(found.sizeBytes).toBeGreaterThan(20_000_000)
    expect(found.modifiedAt).toBeInstanceOf(Date)
    const codes = async (more: Partial<TargetRequest>): Promise<string[]> =>
      (await survey(more)).findings.filter(each => each.severity === 'error').map(each => each.code)
    expect(await codes({ coming: { ...coming, sizeBytes: Number.MAX_SAFE_INTEGER } })).toEqual(['target-no-space'])
    expect(await codes({ coming: { ...coming, sizeBytes: Number.MAX_SAFE_INTEGER }, delta: true })).toEqual([])
    const other = structuredClone(first.manifest)
    Object.assign(other.database?.properties ?? {}, { systemIdentifier: '42' })
    expect(await codes({ coming: { ...coming, manifest: other } })).toEqual(['target-other-cluster'])
    expect(await codes({ target: bench.test.cluster.dataDir })).toEqual(['target-in-use'])
    expect(await codes({ target: '/proc' })).toContain('target-other-cluster')
    expect(await codes({ target: '/proc' })).toContain('target-not-writable')

    // A place for what is kept that is taken; checks that fail; a tablespace that may not go beside.
    const own = { tablespace: [`*=${join(dir, 'new')}`] }
    await mkdir(`${path}.${KEEP_AS}`)
    expect((await failure(restore(first, { own }))).code).toBe('target-exists')
    let called = false
    const beforeChange = (): Promise<void> => Promise.resolve(void (called = true))
    const damaged = withoutFile(first, 'global/pg_filenode.map')
    const failed = await restore(damaged, { keepAs: 'before-3', own, beforeChange })
    expect(failed.checks).toMatchObject([{ passed: false }])
    expect([called, await names()]).toEqual([false, ['main', `main.${KEEP_AS}`]])
    expect(await eraOf()).toBe('now')
    const refuse = (): Promise<void> => Promise.reject(new Error('the hook failed'))
    await expect(restore(first, { keepAs: 'before-3', own, beforeChange: refuse })).rejects.toThrow('the hook failed')
    expect(await eraOf()).toBe('now')
  })

  it('takes the place of a running server only when what comes before has stopped it', async () => {
    await makeTarget()
    const server = await startServer({
      tools: bench.test.tools,
      dataDir: path,
      socketDir: bench.test.cluster.server.socketDir,
      port: await freePort(),
      user: await ownerOf(path),
    })
    try {
      const own = { tablespace: [`*=${join(dir, 'new')}`] }
      expect((await failure(restore(first, { own }))).code).toBe('target-in-use')
      const refused = await failure(restore(first, { own, beforeChange: () => Promise.resolve() }))
      expect(refused.code).toBe('target-in-use')
      expect(server.ended).toBe(false)
      await restore(first, { own, beforeChange: () => server.stop('fast') })
      expect(await eraOf()).toBe('then')
    } finally {
      if (!server.ended) await server.stop('immediate')
    }
  })

  it('follows a link to the folder, and leaves a log folder of its own to a person', async () => {
    await makeTarget()
    const link = join(dir, 'current')
    await symlink(path, link)
    const log = join(dir, 'log')
    await rename(join(path, 'pg_wal'), log)
    await symlink(log, join(path, 'pg_wal'))
    const outcome = await restore(first, { target: link, own: { tablespace: [`*=${join(dir, 'new')}`] } })
    expect(outcome.findings).toMatchObject([{ severity: 'warning', code: 'log-folder-moved' }])
    expect(outcome.kept).toEqual([{ target: path, kept: `${path}.${KEEP_AS}` }])
    expect(await readlink(link)).toBe(path)
    expect(await eraOf()).toBe('then')
    await bench.source.targets.putBack({ ...(await kept()), target: link })
    expect(await eraOf()).toBe('now')
  })

  it('tells a directory that was being rewritten in place', async () => {
    await makeTarget()
    const space = await readlink(join(path, 'pg_tblspc', (await readdir(join(path, 'pg_tblspc')))[0] ?? ''))
    const reader = { ...first.reader, restoreFiles: async () => await Promise.reject(new Error('cut')) }
    let calls = 0
    const request = {
      delta: true,
      own: { tablespace: [`${basename(space)}=${space}`] },
      beforeChange: () => Promise.resolve(void calls++),
    }
    await expect(restore({ ...first, reader }, request)).rejects.toThrow('cut')
    expect(calls).toBe(1)
    expect(await bench.source.targets.settle(await kept())).toEqual({ state: 'half-written', kept: [] })
    expect((await survey()).findings).toMatchObject([{ severity: 'info', code: 'target-half-written' }])
    expect((await restore(first, request)).kept).toEqual([])
    expect(await bench.source.targets.settle(await kept())).toEqual({ state: 'untouched', kept: [] })
    expect(await eraOf()).toBe('then')
  })

  /** The same snapshot, of a server whose tablespace lay elsewhere. */
  const relocate = async (snapshot: DrainedSnapshot, place: string): Promise<DrainedSnapshot> => {
    const entry = snapshot.entries.find(each => each.path === 'tablespace_map')
    const map = await readFile(entry?.file ?? '', 'utf8')
    const text = Buffer.from(`${map.split(' ')[0]} ${place}\n`)
    return {
      ...snapshot,
      reader: {
        ...snapshot.reader,
        read: node => (node === entry?.node ? (asStream(text) as AsyncIterable<Buffer>) : snapshot.reader.read(node)),
      },
    }
  }
  const withoutFile = (snapshot: DrainedSnapshot, left: string): DrainedSnapshot => ({
    ...snapshot,
    reader: {
      ...snapshot.reader,
      async *entries() {
        for await (const entry of snapshot.reader.entries()) if (entry.path !== left) yield entry
      },
    },
  })
})

async function* asStream(bytes: Buffer): AsyncGenerator<Buffer> {
  yield await Promise.resolve(bytes)
}
