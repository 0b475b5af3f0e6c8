import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { openSession, type Session } from '../../src/clients/postgres/index.ts'
import type { RestoreOutcome, RestoreRequest } from '../../src/sources/source.ts'
import type { ComingSnapshot, TargetRequest, TargetSurvey } from '../../src/sources/target.ts'
import { type DrainedSnapshot, drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { failure, sourceOf, stateOf } from '../helpers/postgres-samples.ts'

describeWithPostgres('looking at what a restore would replace', () => {
  let test: TestCluster
  let dir = ''
  let snapshot: DrainedSnapshot
  let coming: ComingSnapshot
  const sessions: Session[] = []

  beforeAll(async () => {
    test = await startTestCluster({
      initArgs: ['--auth-local=trust', '--auth-host=scram-sha-256'],
      listen: '127.0.0.1',
    })
    await test.query(
      'postgres',
      `CREATE ROLE owner LOGIN PASSWORD 'right'; CREATE ROLE other LOGIN; CREATE ROLE app LOGIN; CREATE ROLE poor LOGIN`,
    )
  })
  afterAll(async () => await test.close())
  beforeEach(async () => {
    dir = await makeTempDir('lb-survey-')
    await test.createDatabase('Shop "1"')
    await test.query(
      'Shop "1"',
      `CREATE TYPE public.mood AS ENUM ('ok'); CREATE TABLE "Item" (id int, "Name" varchar(40) NOT NULL, m mood, PRIMARY KEY (id));
       INSERT INTO "Item" SELECT i, 'x', 'ok' FROM generate_series(1, 42) i;
       CREATE TABLE hidden (x int); INSERT INTO hidden VALUES (1), (2); ANALYZE hidden`,
    )
    snapshot = await drain(sourceOf(test.url('Shop "1"')), dir)
    coming = { sizeBytes: 1000, engineVersion: snapshot.manifest.engineVersion, manifest: snapshot.manifest }
  })
  afterEach(async () => {
    for (const session of sessions.splice(0)) await session.close()
    await test.query('postgres', `DROP DATABASE IF EXISTS "Shop ""1""" WITH (FORCE)`)
    await removeDir(dir)
  })

  const urlFor = (role: string, database = 'Shop "1"'): string => test.url(database).replace('postgres@', `${role}@`)
  const survey = async (target: string, more: Partial<TargetRequest> = {}): Promise<TargetSurvey> =>
    await sourceOf(test.url('postgres')).targets.survey({ ...(await makeContext(dir)), target, coming, ...more })
  const errors = async (target: string, more: Partial<TargetRequest> = {}): Promise<string[]> =>
    (await survey(target, more)).findings.filter(each => each.severity === 'error').map(each => each.code)
  const connect = async (user: string): Promise<void> => {
    const session = await openSession({ ...test.admin, user }, { database: 'Shop "1"', applicationName: 'web' })
    sessions.push(session)
  }
  const restore = async (target: string, more: Partial<RestoreRequest> = {}): Promise<RestoreOutcome> =>
    await sourceOf(target, { globals: false }).restore({
      ...(await makeContext(dir)),
      snapshot: snapshot.reader,
      target,
      include: [],
      checks: true,
      force: true,
      delta: false,
      keepAs: 'before-1a2b3c4d',
      ...more,
    })

  it('tells size, tables, columns, rows and who is connected', async () => {
    await connect('app')
    await connect('app')
    const found = await survey('postgres:///Shop%20%221%22')
    expect(found).toMatchObject({ exists: true, engineVersion: expect.stringMatching(/^PostgreSQL \d+/) })
    expect(found.sizeBytes).toBeGreaterThan(5_000_000)
    expect(found.place).toContain('/Shop%20%221%22')
    expect(found.tables).toEqual([
      {
        name: 'public."Item"',
        rows: 42,
        columns: [
          { name: 'id', type: 'integer', notNull: true, key: true },
          { name: 'Name', type: 'character varying(40)', notNull: true },
          { name: 'm', type: 'public.mood' },
        ],
      },
      { name: 'public.hidden', rows: 2, columns: [{ name: 'x', type: 'integer' }] },
    ])
    // As the manifest has it, so that they can be compared.
    expect(snapshot.manifest.database?.tables).toEqual(found.tables)
    expect(found.findings).toMatchObject([
      { severity: 'info', code: 'target-connections', message: '2 sessions are connected now: 2 web' },
    ])
    expect(await survey(test.url('new'))).toMatchObject({ exists: false, findings: [] })
  })

  it('waits for nobody: what is locked, or not ours to read, is estimated', async () => {
    const holder = await openSession(test.admin, { database: 'Shop "1"' })
    sessions.push(holder)
    await holder.query('BEGIN; LOCK TABLE public.hidden')
    const rows = async (role: string): Promise<unknown> =>
      (await survey(urlFor(role))).tables?.map(({ name, rows: count, estimated }) => [name, count, estimated])
    expect(await rows('postgres')).toEqual([
      ['public."Item"', 42, undefined],
      ['public.hidden', 2, true],
    ])
    await holder.query('ROLLBACK')
    expect(await rows('poor')).toEqual([
      ['public."Item"', 0, true],
      ['public.hidden', 2, true],
    ])
    await test.query(
      'Shop "1"',
      `CREATE TABLE big (id int, filler text); ALTER TABLE big ALTER filler SET STORAGE PLAIN;
       INSERT INTO big SELECT i, repeat('x', 3900) FROM generate_series(1, 20000) i; ANALYZE big`,
    )
    const big = (await survey(urlFor('postgres'))).tables?.find(table => table.name === 'public.big')
    expect(big?.estimated).toBe(true)
    expect(Math.abs((big?.rows ?? 0) - 20_000)).toBeLessThan(2_000)
  })

  it('finds each right that is missing, with the statement that mends it; then the restore goes through', async () => {
    await test.query('postgres', `ALTER DATABASE "Shop ""1""" OWNER TO other; ALTER ROLE owner NOCREATEDB`)
    await test.query('Shop "1"', 'ALTER TABLE "Item" OWNER TO owner; ALTER TABLE hidden OWNER TO owner')
    await connect('app')
    const url = urlFor('owner')
    const found = await survey(url)
    const lacking = found.findings.filter(each => each.severity === 'error')
    expect(lacking.map(each => [each.code, each.message])).toEqual([
      ['target-privilege-missing', 'user owner may not create databases'],
      ['target-privilege-missing', 'user owner does not own it, and may not rename it: it belongs to other'],
      ['target-in-use', 'user owner may not end the sessions of app'],
    ])
    expect((await failure(restore(url))).code).toBe('source-invalid')
    for (const { hint } of lacking) await test.query('postgres', /run: ([^;]*;)/.exec(hint ?? '')?.[1] ?? 'no mend')
    expect(await errors(url)).toEqual([])
    const before = await stateOf(test, 'Shop "1"')
    const outcome = await restore(url)
    expect(outcome.checks).toMatchObject([{ passed: true }])
    expect(
      await test.query('postgres', `SELECT pg_get_userbyid(datdba) AS o FROM pg_database WHERE datname = 'Shop "1"'`),
    ).toEqual([{ o: 'other' }])
    await sourceOf(url).targets.putBack({ ...(await makeContext(dir)), target: url, keptAs: 'before-1a2b3c4d' })
    expect(await stateOf(test, 'Shop "1"')).toEqual(before)
    await test.query('postgres', 'REVOKE pg_signal_backend, other FROM owner; ALTER ROLE owner NOCREATEDB')
  })

  it('names the sessions that could not be ended, and changes nothing', async () => {
    await test.query('postgres', `ALTER DATABASE "Shop ""1""" OWNER TO owner; ALTER ROLE owner CREATEDB`)
    await connect('postgres')
    const url = urlFor('owner')
    expect(await errors(url)).toEqual(['target-in-use'])
    const error = await failure(restore(url, { checks: false }))
    expect(error.code).toBe('target-in-use')
    expect(error.message).toContain('sessions of postgres could not be ended')
    expect(await test.query('postgres', `SELECT datname FROM pg_database WHERE datname LIKE 'Shop%'`)).toHaveLength(1)
    await test.query('postgres', 'ALTER ROLE owner NOCREATEDB')
  })

  it('finds what rows of single tables need: their owner', async () => {
    const url = urlFor('owner')
    const selection = { tables: ['"Item"'] }
    const found = await survey(url, { selection })
    expect(found.findings).toMatchObject([{ code: 'target-privilege-missing', affects: ['public.Item'] }])
    expect((await survey(url, { selection: { part: 'data' } })).findings[0]?.affects).toHaveLength(2)
    expect(await errors(urlFor('owner', 'nowhere'), { selection })).toEqual(['target-invalid'])
    await test.query('Shop "1"', 'ALTER TABLE "Item" OWNER TO owner')
    expect(await errors(url, { selection })).toEqual([])
  })

  it('finds a server that is not there, refuses us, is older, or lacks an extension', async () => {
    const port = test.admin.port
    expect(await errors('postgres://owner@127.0.0.1:1/shop')).toEqual(['target-unreachable'])
    const wrong = await survey(`postgres://owner:wr0ng@127.0.0.1:${port}/Shop%20%221%22`)
    expect(wrong.findings).toMatchObject([{ severity: 'error', code: 'target-unreachable' }])
    expect(JSON.stringify(wrong)).not.toContain('wr0ng')
    expect(await survey(`postgres://owner:right@127.0.0.1:${port}/Shop%20%221%22`)).toMatchObject({ exists: true })
    expect(await errors(test.url('new'), { coming: { ...coming, engineVersion: 'PostgreSQL 99.1' } })).toEqual([
      'target-older-engine',
    ])
    expect(await errors(test.url('new'), { coming: { ...coming, engineVersion: 'SQLite 3.45.1' } })).toEqual([
      'target-other-engine',
    ])
    const manifest = structuredClone(snapshot.manifest)
    const database = manifest.database?.databases?.[0]
    Object.assign(database ?? {}, { extensions: [{ name: 'vector', version: '0.7' }], sizeBytes: 2 ** 60 })
    // How much room there is can be seen, for the server runs here and its folder is ours to read.
    expect(await errors(test.url('new'), { coming: { ...coming, manifest } })).toEqual([
      'target-extension-missing',
      'target-no-space',
    ])
    await test.query('postgres', 'ALTER ROLE owner CREATEDB; ALTER ROLE owner SET default_transaction_read_only = on')
    expect(await errors(urlFor('owner', 'new'))).toEqual(['target-not-writable'])
    await test.query('postgres', 'ALTER ROLE owner NOCREATEDB; ALTER ROLE owner RESET default_transaction_read_only')
  })

  it('looks at folders of archives, which are replaced in one piece', async () => {
    const target = join(dir, 'archives')
    expect(await survey(target)).toMatchObject({ exists: false, findings: [] })
    await mkdir(target)
    await writeFile(join(target, 'mine'), 'precious')
    expect(await survey(target)).toMatchObject({ exists: true, files: 1, sizeBytes: 8, findings: [] })
    let seen: string[] = []
    const { targets } = sourceOf(test.url('postgres'))
    const outcome = await restore(target, { beforeChange: async () => void (seen = await readdir(target)) })
    expect(seen).toEqual(['mine'])
    const kept = `${target}.before-1a2b3c4d`
    expect(outcome.kept).toEqual([{ target, kept }])
    expect(await readdir(kept)).toEqual(['mine'])
    const request = { ...(await makeContext(dir)), target, keptAs: 'before-1a2b3c4d' }
    expect(await targets.settle(request)).toEqual({ state: 'finished', kept: outcome.kept })
    expect(await targets.putBack({ ...request, keepNowAs: 'undone-1' })).toEqual([
      { target, kept: `${target}.undone-1` },
    ])
    expect(await readdir(target)).toEqual(['mine'])
    await targets.dropKept({ ...request, keptAs: 'undone-1' })
    expect(await targets.settle(request)).toEqual({ state: 'untouched', kept: [] })
    expect((await readdir(dir)).filter(name => name.startsWith('archives'))).toEqual(['archives'])
  })
})
