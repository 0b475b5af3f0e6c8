import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { type DrainedSnapshot, drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { maskOf } from '../helpers/masks.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { failure, restoreTo, rowsOf, sourceOf, stagedRows } from '../helpers/postgres-samples.ts'

describeWithPostgres('what a role may not make', () => {
  let test: TestCluster
  let dir = ''

  beforeAll(async () => {
    test = await startTestCluster()
  })
  afterAll(async () => await test.close())
  beforeEach(async () => {
    dir = await makeTempDir('lb-imp-')
  })
  afterEach(async () => {
    const own = `datname !~ '^(template|postgres)'`
    await test.query('postgres', `UPDATE pg_database SET datallowconn = true, datconnlimit = -1 WHERE ${own}`)
    const rows = await test.query<{ n: string }>('postgres', `SELECT datname AS n FROM pg_database WHERE ${own}`)
    for (const { n } of rows) await drop(n)
    await removeDir(dir)
  })

  const drop = async (name: string): Promise<unknown> =>
    await test.query('postgres', `DROP DATABASE "${name.replaceAll('"', '""')}" WITH (FORCE)`)
  const make = async (name: string, sql: string): Promise<void> => {
    await test.createDatabase(name)
    await test.query(name, sql)
  }

  it('leaves out what one role owned and was granted, and nothing of the others', async () => {
    await test.query('postgres', 'CREATE ROLE one; CREATE ROLE other; CREATE ROLE reader')
    await make(
      'app',
      `CREATE TABLE a (v int); CREATE TABLE b (v int); ALTER TABLE a OWNER TO one; ALTER TABLE b OWNER TO other;
       GRANT SELECT ON a TO reader; GRANT INSERT ON a TO other; REVOKE ALL ON a FROM PUBLIC; GRANT SELECT ON b TO reader;
       ALTER DEFAULT PRIVILEGES FOR ROLE one GRANT SELECT ON TABLES TO reader;
       ALTER DEFAULT PRIVILEGES FOR ROLE other GRANT SELECT ON TABLES TO reader;
       CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION f() OWNER TO one; REVOKE ALL ON FUNCTION f() FROM PUBLIC;
       CREATE FUNCTION fold(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower(t) $$; ALTER DATABASE app OWNER TO one`,
    )
    const snapshot = await drain(sourceOf(test.url('app')), dir)
    await drop('app')
    await test.query('postgres', 'DROP ROLE other')
    for (const jobs of [1, 2]) {
      const outcome = await restoreTo(dir, snapshot, test.url(`app_${jobs}`), { jobs })
      expect(outcome.leftOut).toBe(true)
      expect(outcome.findings).toMatchObject([{ code: 'role-missing', affects: ['other'] }])
      if (jobs === 2) {
        const tables = { selection: { tables: ['a', 'b'] } }
        await test.query('app_2', 'DROP TABLE a, b')
        const some = await restoreTo(dir, snapshot, test.url('app_2'), tables)
        expect(some.findings).toMatchObject([{ code: 'role-missing', affects: ['other'] }])
        // What is there keeps its owner and rights.
        const again = await restoreTo(dir, snapshot, test.url('app_2'), { ...tables, force: true })
        expect(again.findings).toEqual([])
      }
      const owned = await test.query(
        `app_${jobs}`,
        `SELECT relname AS name, relowner::regrole::text AS owner, relacl::text[] AS acl FROM pg_class WHERE relname IN ('a', 'b')
         UNION ALL SELECT proname, proowner::regrole::text, proacl::text[] FROM pg_proc WHERE proname = 'f'
         UNION ALL SELECT 'default', defaclrole::regrole::text, defaclacl::text[] FROM pg_default_acl
         UNION ALL SELECT 'database', datdba::regrole::text, NULL FROM pg_database WHERE datname = current_database() ORDER BY 1`,
      )
      expect(owned).toEqual([
        { name: 'a', owner: 'one', acl: ['one=arwdDxt/one', 'reader=r/one'] },
        { name: 'b', owner: 'postgres', acl: ['postgres=arwdDxt/postgres', 'reader=r/postgres'] },
        { name: 'database', owner: 'one', acl: null },
        { name: 'default', owner: 'one', acl: ['one=arwdDxt/one', 'reader=r/one'] },
        { name: 'f', owner: 'one', acl: ['one=X/one'] },
      ])
      await drop(`app_${jobs}`)
    }
    await test.query('postgres', 'DROP ROLE one, reader')
  })

  it('tells before, and leaves out, what the role may not make', async () => {
    await test.query('postgres', 'CREATE ROLE app LOGIN CREATEDB; CREATE ROLE reader; CREATE ROLE gone')
    await test.query('postgres', 'CREATE DATABASE shop TEMPLATE template0 OWNER app')
    await test.query(
      'shop',
      `CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pg_trgm; CREATE PUBLICATION everything FOR ALL TABLES;
       COMMENT ON PUBLICATION everything IS 'all of it';
       CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$; ALTER FUNCTION noted() OWNER TO app;
       CREATE EVENT TRIGGER audit ON ddl_command_start EXECUTE FUNCTION noted();
       CREATE FUNCTION raw(text) RETURNS int LANGUAGE internal AS 'textlen'; ALTER FUNCTION raw(text) OWNER TO app;
       SET ROLE app; CREATE TABLE customer (id int PRIMARY KEY, name text); INSERT INTO customer VALUES (1, 'a');
       CREATE INDEX ON customer USING gin (name gin_trgm_ops); ALTER TABLE customer ENABLE ROW LEVEL SECURITY;
       CREATE POLICY several ON customer FOR SELECT TO reader, gone USING (true); CREATE POLICY nobody ON customer TO gone USING (true)`,
    )
    await test.query('postgres', 'ALTER ROLE app BYPASSRLS')
    const url = (name: string): string => test.url(name).replace('postgres@', 'app@')
    const snapshot = await drain(sourceOf(url('shop'), { globals: false }), dir)
    await drop('shop')
    await test.query('postgres', 'DROP ROLE gone')
    const { manifest, reader } = snapshot
    const coming = {
      sizeBytes: 1,
      engineVersion: manifest.engineVersion,
      manifest,
      openReader: () => Promise.resolve(reader),
    }
    const request = { ...(await makeContext(dir)), target: url('shop'), coming }
    const { findings } = await sourceOf(url('postgres')).targets.survey(request)
    const of = (each: typeof findings): string[] =>
      each.map(({ subject }) => subject.replace(/ of database .*/, '')).toSorted()
    const left = [
      'database shop',
      'event trigger audit',
      'extension pg_stat_statements',
      'function public.raw(text)',
      'policy public.customer nobody',
      'policy public.customer several',
      'publication everything',
    ]
    expect(of(findings.filter(each => each.severity === 'warning'))).toEqual([...left].toSorted())
    expect(findings.filter(each => each.severity === 'error')).toEqual([])
    const outcome = await restoreTo(dir, snapshot, url('shop'))
    expect(outcome.leftOut).toBe(true)
    expect(outcome.checks).toMatchObject([{ passed: true }])
    expect(of(outcome.findings)).toEqual([...left].toSorted())
    const policies = await test.query('shop', 'SELECT polname, polroles::regrole[]::text AS roles FROM pg_policy')
    expect(policies).toEqual([{ polname: 'several', roles: '{reader}' }])
    expect(await rowsOf(test, 'shop')).toMatchObject({ 'public.customer': expect.stringMatching(/^1 /) })
    expect(await stagedRows(dir, snapshot, url('shop'))).toEqual({ customer: 1 })
    const masked = await restoreTo(dir, snapshot, url('shop_2'), { mask: maskOf({ customer: { name: 'name' } }) })
    expect(of(masked.findings)).toEqual(left.map(each => each.replace(/ shop$/, ' shop_2')).toSorted())
    await drop('shop_2')
    await drop('shop')
    await test.query('postgres', 'DROP ROLE app, reader')
  })

  it('refuses before it starts where tables need what the role may not make', async () => {
    await test.query('postgres', 'CREATE ROLE mapper LOGIN CREATEDB')
    await make(
      'maps',
      'CREATE EXTENSION earthdistance CASCADE; CREATE TABLE place (e earth); ALTER TABLE place OWNER TO mapper',
    )
    const { manifest, reader } = await drain(sourceOf(test.url('maps')), dir)
    const target = test.url('maps_2').replace('postgres@', 'mapper@')
    const coming = {
      sizeBytes: 1,
      engineVersion: manifest.engineVersion,
      manifest,
      openReader: () => Promise.resolve(reader),
    }
    const { findings } = await sourceOf(target).targets.survey({ ...(await makeContext(dir)), target, coming })
    expect(findings.filter(each => each.severity === 'error')).toMatchObject([
      { subject: 'extension earthdistance of database maps_2', affects: ['public.place'] },
    ])
    const error = await failure(restoreTo(dir, { id: 'x', manifest, reader } as DrainedSnapshot, target))
    expect(error.message).toContain('extension earthdistance: permission denied')
    expect(error.message).toContain('table public.place')
    await drop('maps')
    await test.query('postgres', 'DROP ROLE mapper')
  })
})
