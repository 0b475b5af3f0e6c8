import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { databaseInUrl, openSession } from '../../src/clients/postgres/index.ts'
import type { LogicalSource } from '../../src/sources/postgres/logical/logical-source.ts'
import type { Change, RestoreOutcome, RestoreRequest } from '../../src/sources/source.ts'
import type { ComingSnapshot, KeptRequest } from '../../src/sources/target.ts'
import { type DrainedSnapshot, drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { databasesOf, failure, rowsOf, sequencesOf, sourceOf, stateOf } from '../helpers/postgres-samples.ts'

const KEEP_AS = 'before-1a2b3c4d'

const comingOf = ({ id, manifest }: DrainedSnapshot): ComingSnapshot => ({
  snapshot: id,
  sizeBytes: undefined,
  engineVersion: undefined,
  manifest,
})

const SHOP = `
  CREATE TABLE era (name text NOT NULL); INSERT INTO era VALUES ('then');
  CREATE TABLE item (id serial PRIMARY KEY, name text NOT NULL);
  CREATE TABLE line (item int REFERENCES item, n int); CREATE INDEX line_item ON line (item);
  INSERT INTO item (name) SELECT 'item ' || i FROM generate_series(1, 50) i; INSERT INTO line SELECT id, id FROM item`

describeWithPostgres('replacing databases', () => {
  let test: TestCluster
  let dir = ''
  let serial = 0

  beforeAll(async () => {
    test = await startTestCluster({ settings: ['max_prepared_transactions=4'] })
  })
  afterAll(async () => await test.close())
  beforeEach(async () => {
    dir = await makeTempDir('lb-rep-')
  })
  afterEach(async () => await removeDir(dir))

  /** A database with a snapshot of it, and changed since. */
  const makeShop = async (name = `shop_${++serial}`): Promise<{ name: string; snapshot: DrainedSnapshot }> => {
    await test.createDatabase(name)
    await test.query(name, SHOP)
    const snapshot = await drain(sourceOf(test.url(name)), dir)
    await test.query(name, `UPDATE era SET name = 'now'; INSERT INTO line VALUES (1, 100)`)
    return { name, snapshot }
  }
  const restore = async (
    source: LogicalSource,
    snapshot: DrainedSnapshot,
    target: string,
    more: Partial<RestoreRequest> = {},
  ): Promise<RestoreOutcome> =>
    await source.restore({
      ...(await makeContext(dir)),
      snapshot: snapshot.reader,
      target,
      include: [],
      checks: true,
      force: true,
      delta: false,
      keepAs: KEEP_AS,
      ...more,
    })
  const kept = async (target: string): Promise<KeptRequest> => ({
    ...(await makeContext(dir)),
    target,
    keptAs: KEEP_AS,
  })
  const eraOf = async (name: string): Promise<string | undefined> =>
    (await test.query<{ name: string }>(name, 'SELECT name FROM era'))[0]?.name

  it('keeps what was there, puts it back, and drops it', async () => {
    const { name, snapshot } = await makeShop()
    const url = test.url(name)
    const source = sourceOf(url)
    const before = await stateOf(test, name)
    const calls: string[][] = []
    const outcome = await restore(source, snapshot, url, {
      beforeChange: async () => void calls.push(await databasesOf(test)),
    })
    expect(outcome.kept).toEqual([{ target: name, kept: `${name}_before_1a2b3c4d` }])
    expect(outcome.findings).toEqual([])
    // The new one was whole by then, and the old one was in its place.
    expect(calls).toHaveLength(1)
    expect(calls[0]?.filter(each => each.startsWith(`${name}_lifeboat_`))).toHaveLength(1)
    expect([await eraOf(name), await eraOf(`${name}_before_1a2b3c4d`)]).toEqual(['then', 'now'])
    expect(await source.targets.settle(await kept(url))).toEqual({ state: 'finished', kept: outcome.kept })
    const restored = await stateOf(test, name)

    expect(await source.targets.putBack({ ...(await kept(url)), keepNowAs: 'undone-1a2b3c4d' })).toEqual([
      { target: name, kept: `${name}_undone_1a2b3c4d` },
    ])
    expect(await stateOf(test, name)).toEqual(before)
    expect(await stateOf(test, `${name}_undone_1a2b3c4d`)).toEqual(restored)
    expect((await failure(source.targets.putBack(await kept(url)))).code).toBe('not-found')
    const undone = { ...(await kept(url)), keptAs: 'undone-1a2b3c4d' }
    expect(await source.targets.putBack(undone)).toEqual([])
    expect(await stateOf(test, name)).toEqual(restored)

    await restore(source, snapshot, url)
    await source.targets.dropKept(await kept(url))
    await source.targets.dropKept(await kept(url))
    expect((await databasesOf(test)).filter(each => each.startsWith(name))).toEqual([name])
  })

  it('changes nothing when what comes before the change fails, or a check', async () => {
    const { name, snapshot } = await makeShop()
    const url = test.url(name)
    const before = await databasesOf(test)
    const refused = restore(sourceOf(url), snapshot, url, {
      beforeChange: () => Promise.reject(new Error('the hook failed')),
    })
    await expect(refused).rejects.toThrow('the hook failed')
    expect(await databasesOf(test)).toEqual(before)
    const manifest = structuredClone(snapshot.manifest)
    Object.assign(manifest.database?.databases?.[0]?.tables[0] ?? {}, { rows: 999 })
    let called = false
    const wrong = { ...snapshot, reader: { ...snapshot.reader, manifest } }
    const beforeChange = (): Promise<void> => {
      called = true
      return Promise.resolve()
    }
    const outcome = await restore(sourceOf(url), wrong, url, { beforeChange })
    expect(outcome.checks).toMatchObject([{ passed: false }])
    expect([called, outcome.kept]).toEqual([false, []])
    expect(await databasesOf(test)).toEqual(before)
    expect(await eraOf(name)).toBe('now')
  })

  it('keeps owner, grants, settings and limits of the database that was there', async () => {
    const { name, snapshot } = await makeShop(`Own "Shop"`)
    const quoted = '"Own ""Shop"""'
    await test.query(
      'postgres',
      `CREATE ROLE "The Owner"; CREATE ROLE app LOGIN; CREATE ROLE peek LOGIN;
       ALTER DATABASE ${quoted} OWNER TO "The Owner"; REVOKE ALL ON DATABASE ${quoted} FROM PUBLIC;
       GRANT CONNECT, TEMPORARY ON DATABASE ${quoted} TO app WITH GRANT OPTION; GRANT CONNECT ON DATABASE ${quoted} TO peek;
       ALTER DATABASE ${quoted} SET search_path = "$user", 'Odd "one', public; ALTER DATABASE ${quoted} SET app.tenant = 'it''s \\ x';
       ALTER DATABASE ${quoted} SET temp_tablespaces = ''; ALTER ROLE app IN DATABASE ${quoted} SET work_mem = '9MB';
       COMMENT ON DATABASE ${quoted} IS 'mine'; ALTER DATABASE ${quoted} CONNECTION LIMIT 9`,
    )
    const own = async (): Promise<unknown> =>
      await test.query(
        'postgres',
        `SELECT pg_get_userbyid(datdba) AS owner, datconnlimit, array(SELECT unnest(datacl)::text ORDER BY 1) AS acl,
           shobj_description(d.oid, 'pg_database') AS note,
           array(SELECT setrole::regrole || ' ' || setconfig::text FROM pg_db_role_setting WHERE setdatabase = d.oid ORDER BY 1) AS set
         FROM pg_database d WHERE datname = $1`,
        [name],
      )
    const before = await own()
    const outcome = await restore(sourceOf(test.url(name)), snapshot, test.url(name))
    expect(outcome.findings).toEqual([])
    expect(await eraOf(name)).toBe('then')
    expect(await own()).toEqual(before)
    await test.query('postgres', `DROP DATABASE ${quoted}`)
    await test.query('postgres', `DROP DATABASE "Own ""Shop""_before_1a2b3c4d"`)
    await test.query('postgres', 'DROP ROLE "The Owner"; DROP ROLE app; DROP ROLE peek')
  })

  it('swaps several databases in one step, or none', async () => {
    const long = 'Ünïcode '.repeat(6)
    const names = [`${long}a`, `${long}b`]
    expect(names.every(name => Buffer.byteLength(name) > 60)).toBe(true)
    for (const name of names) {
      await test.createDatabase(name)
      await test.query(name, SHOP)
    }
    const source = sourceOf(test.url('postgres'), { databases: names })
    const snapshot = await drain(source, dir)
    for (const name of names) await test.query(name, `UPDATE era SET name = 'now'`)
    const url = test.url('')
    const before = await databasesOf(test)
    // A name in the url is nobody's order to replace the living databases of other names.
    for (const target of [test.url('copy'), test.url(names[0] ?? '')]) {
      const refused = await failure(restore(source, snapshot, target))
      expect([refused.code, refused.hint]).toEqual(['target-invalid', expect.stringContaining('--database')])
    }
    const planned = await source.targets.survey({
      ...(await makeContext(dir)),
      target: url,
      coming: comingOf(snapshot),
    })
    expect(planned.places?.map(databaseInUrl)).toEqual(names)
    expect(databaseInUrl(planned.place)).toBeUndefined()

    // A prepared transaction is no session: it can't be ended, and the second database can't be renamed.
    const holder = await openSession(test.admin, { database: names[1] })
    await holder.query(`BEGIN; UPDATE public.era SET name = 'now'; PREPARE TRANSACTION 'held'`)
    await holder.close()
    const survey = await source.targets.survey({
      ...(await makeContext(dir)),
      target: url,
      selection: { databases: names },
    })
    expect(survey.findings).toMatchObject([
      { severity: 'error', code: 'target-in-use', subject: `database ${names[1]}` },
    ])
    let calls = 0
    const beforeChange = ({ places }: Change): Promise<void> => {
      calls++
      expect(places).toEqual(planned.places)
      return Promise.resolve()
    }
    expect((await failure(restore(source, snapshot, url, { beforeChange }))).code).toBe('target-in-use')
    expect(await databasesOf(test)).toEqual(before)
    expect(await Promise.all(names.map(eraOf))).toEqual(['now', 'now'])
    await test.query(names[1] ?? '', `ROLLBACK PREPARED 'held'`)

    const outcome = await restore(source, snapshot, url, { beforeChange })
    expect(calls).toBe(2)
    expect(outcome.kept?.map(each => each.target)).toEqual(names)
    expect(new Set(outcome.kept?.map(each => each.kept)).size).toBe(2)
    expect(await Promise.all(names.map(eraOf))).toEqual(['then', 'then'])
    // Without the snapshot: the names on the server tell. Others that look like ours are not.
    const other = 'neighbour'
    await test.createDatabase(other)
    await test.createDatabase(`${other}_before_1a2b3c4d`)
    const places = planned.places ?? []
    const settled = await source.targets.settle({ ...(await kept(url)), places })
    expect(settled.kept).toEqual(expect.arrayContaining([...(outcome.kept ?? [])]))
    await source.targets.putBack({ ...(await kept(url)), places })
    await test.query('postgres', `DROP DATABASE "${other}"`)
    await test.query('postgres', `DROP DATABASE "${other}_before_1a2b3c4d"`)
    expect(await Promise.all(names.map(eraOf))).toEqual(['now', 'now'])
    expect(await databasesOf(test)).toEqual(before)
  })

  it('shows writers that come back again and again the old one or the new one, and loses no commit', async () => {
    const { name, snapshot } = await makeShop()
    const url = test.url(name)
    const done = new AbortController()
    const acknowledged: Array<{ n: number; era: string }> = []
    let next = 0
    const write = async (): Promise<void> => {
      while (!done.signal.aborted) {
        try {
          const session = await openSession(test.admin, { database: name })
          try {
            while (!done.signal.aborted) {
              const n = ++next
              const [row] = await session.query<{ era: string }>(
                'INSERT INTO public.line SELECT 1, $1 RETURNING (SELECT name FROM public.era) AS era',
                [1000 + n],
              )
              acknowledged.push({ n: 1000 + n, era: row?.era ?? '' })
            }
          } finally {
            await session.close()
          }
        } catch {
          // As applications do: again.
        }
      }
    }
    const writers = [write(), write(), write()]
    const until = async (test_: () => boolean): Promise<void> => {
      while (!test_()) await new Promise(resolve => setImmediate(resolve))
    }
    await until(() => acknowledged.length > 20)
    await restore(sourceOf(url), snapshot, url)
    const [swapped] = await test.query<{ n: number }>(name, 'SELECT count(*)::int AS n FROM line WHERE n > 1000')
    await until(() => acknowledged.filter(each => each.era === 'then').length > (swapped?.n ?? 0) + 20)
    done.abort()
    await Promise.all(writers)
    const rows = async (database: string): Promise<Set<number>> =>
      new Set((await test.query<{ n: number }>(database, 'SELECT n FROM line')).map(row => row.n))
    const [then, now] = [await rows(name), await rows(`${name}_before_1a2b3c4d`)]
    const lost = acknowledged.filter(({ n, era }) => !(era === 'then' ? then : now).has(n))
    expect(lost).toEqual([])
    expect(new Set(acknowledged.map(each => each.era))).toEqual(new Set(['now', 'then']))
    // Nobody who has seen the new one is led back.
    expect(acknowledged.findLastIndex(each => each.era === 'now')).toBeLessThan(
      acknowledged.findIndex(each => each.era === 'then') + writers.length,
    )
  })

  it('brings back the schema alone, and the rows alone', async () => {
    const { name, snapshot } = await makeShop()
    const source = sourceOf(test.url(name))
    const then = { rows: await rowsOf(test, name), sequences: await sequencesOf(test, name) }
    const empty = test.url(`${name}_empty`)
    const outcome = await restore(source, snapshot, empty, { selection: { part: 'schema' } })
    expect([outcome.findings, outcome.kept]).toEqual([[], []])
    expect(Object.values(await rowsOf(test, `${name}_empty`)).every(rows => rows.startsWith('0 '))).toBe(true)
    expect(await test.query(`${name}_empty`, `SELECT FROM pg_indexes WHERE indexname = 'line_item'`)).toHaveLength(1)

    await test.query(`${name}_empty`, `INSERT INTO item (name) VALUES ('other')`)
    const tokens: Array<string | undefined> = []
    const rows = await restore(source, snapshot, empty, {
      selection: { part: 'data' },
      beforeChange: ({ token }) => Promise.resolve(void tokens.push(token)),
    })
    expect(rows.checks).toMatchObject([{ passed: true }])
    await test.query(name, `UPDATE era SET name = 'then'; DELETE FROM line WHERE n = 100`)
    expect((await rowsOf(test, `${name}_empty`))['public.item']).toBe(then.rows['public.item'])
    expect(await stateOf(test, `${name}_empty`)).toEqual(await stateOf(test, name))
    // The server knows what became of it.
    expect(tokens).toHaveLength(1)
    const settled = await source.targets.settle({ ...(await kept(empty)), token: tokens[0] })
    expect(settled).toEqual({ state: 'finished', kept: [] })

    await test.query(`${name}_empty`, 'DROP TABLE line; UPDATE item SET name = name || 1')
    const selection = { tables: ['line'] }
    const lacking = await failure(restore(source, snapshot, empty, { selection: { ...selection, part: 'data' } }))
    expect(lacking.message).toContain('lacks the table public.line')
    await restore(source, snapshot, empty, { selection: { ...selection, part: 'schema' }, force: false })
    expect((await rowsOf(test, `${name}_empty`))['public.line']).toMatch(/^0 /)
    const schema = await drain(sourceOf(test.url(name)), dir, { type: 'schema' })
    const none = await failure(restore(source, schema, empty, { selection: { part: 'data' } }))
    expect(none.message).toContain('it holds no data')
  })

  it('tells of rows that were not replaced, whose transaction was given up', async () => {
    const { name, snapshot } = await makeShop()
    const url = test.url(name)
    let token: string | undefined
    const refused = restore(sourceOf(url), snapshot, url, {
      selection: { tables: ['item'] },
      beforeChange: given => {
        token = given.token
        return Promise.reject(new Error('no'))
      },
    })
    await expect(refused).rejects.toThrow('no')
    const settled = await sourceOf(url).targets.settle({ ...(await kept(url)), token })
    expect(settled).toEqual({ state: 'untouched', kept: [] })
    expect(await eraOf(name)).toBe('now')
  })
})
