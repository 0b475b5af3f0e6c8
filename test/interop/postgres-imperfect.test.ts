import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { openSession } from '../../src/clients/postgres/index.ts'
import { drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { maskOf } from '../helpers/masks.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { failure, restoreTo, rowsOf, sourceOf, stagedRows, stateOf } from '../helpers/postgres-samples.ts'

/** The server's room for locks: 40 connections (see `startTemporaryCluster`), ten each. */
const LOCKS = 400

describeWithPostgres('databases that are not as they should be', () => {
  let test: TestCluster
  let dir = ''

  beforeAll(async () => {
    test = await startTestCluster({ settings: [`max_locks_per_transaction=${LOCKS / 40}`] })
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

  it('counts rows without a plan that runs functions of indexes, and names those that need a path', async () => {
    await make(
      'app',
      `CREATE TABLE post (id int PRIMARY KEY, title text); INSERT INTO post SELECT g, 'Post '||g FROM generate_series(1, 100) g;
       CREATE FUNCTION fold(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower(t) $$;
       CREATE FUNCTION slug(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT replace(fold(t), ' ', '-') $$;
       CREATE INDEX post_slug ON post (slug(title));
       CREATE SCHEMA far; CREATE FUNCTION far.deep(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower(t) $$;
       CREATE TABLE lost (t text); INSERT INTO lost VALUES ('x'); SET search_path = far, public;
       CREATE FUNCTION public.odd(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT deep(t) $$;
       CREATE INDEX ON public.lost (public.odd(t)); CREATE TABLE public.after AS SELECT 1 AS a`,
    )
    await test.query(
      'app',
      `CREATE TABLE ran (); CREATE FUNCTION spy(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
         IF current_setting('app.spy', true) = 'on' THEN RAISE EXCEPTION 'run as %', current_user; END IF; RETURN $1; END $$;
       CREATE TABLE watched (v int REFERENCES post CHECK (v > 0)); CREATE INDEX ON watched ((spy(1) + v));
       CREATE TABLE guarded (v int CHECK (spy(v) > 0)); INSERT INTO guarded VALUES (1)`,
    )
    await test.query('postgres', `ALTER DATABASE app SET app.spy = 'on'`)
    await expect(test.query('app', 'SELECT count(*) FROM watched')).rejects.toThrow('run as')
    const { manifest, summary } = await drain(sourceOf(test.url('app'), { globals: false }), dir)
    expect(summary.complete).toBe(true)
    expect(manifest.database?.tables).toMatchObject([
      { name: 'public.after', rows: 1 },
      { name: 'public.guarded', rows: 1 },
      { name: 'public.lost', rows: 1 },
      { name: 'public.post', rows: 100 },
      { name: 'public.ran', rows: 0 },
      { name: 'public.watched', rows: 0 },
    ])
    expect(manifest.database?.tables.every(each => each.estimated === undefined)).toBe(true)
    expect(manifest.findings).toMatchObject([
      { code: 'function-needs-search-path', subject: 'function public.odd(text) of app' },
      {
        code: 'function-needs-search-path',
        subject: 'function public.slug(text) of app',
        message: expect.stringContaining('names fold without a schema'),
        hint: 'Run in app: ALTER FUNCTION public.slug(text) SET search_path = public;',
        affects: ['index public.post_slug'],
      },
    ])
  })

  it('needs no more locks than pg_dump does', async () => {
    const tables = async (from: number, to: number): Promise<void> => {
      const each = (i: number): string => `CREATE TABLE t${i} (a int, b int, c int); CREATE INDEX ON t${i} (a);
        CREATE INDEX ON t${i} (b); CREATE INDEX ON t${i} (c);`
      for (let at = from; at < to; at += 50) {
        await test.query('many', Array.from({ length: Math.min(50, to - at) }, (_, i) => each(at + i)).join(''))
      }
    }
    await test.createDatabase('many')
    await tables(0, LOCKS * 0.9)
    const held = await drain(sourceOf(test.url('many'), { globals: false }), dir)
    expect(held.manifest.findings).toEqual([])
    expect(held.manifest.database?.tables.every(table => table.estimated === undefined)).toBe(true)
    await tables(LOCKS * 0.9, LOCKS)
    const { manifest } = await drain(sourceOf(test.url('many'), { globals: false }), dir)
    expect(manifest.findings).toMatchObject([{ code: 'tables-unlocked' }])
    expect(manifest.database?.tables).toHaveLength(LOCKS)
  })

  it('captures the others where one of them can’t be', async () => {
    for (const name of ['fine', 'gone', 'closed', 'busy', 'torn']) await make(name, 'CREATE TABLE t AS SELECT 1 AS a')
    await test.query(
      'postgres',
      `UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'gone'; ALTER DATABASE closed ALLOW_CONNECTIONS false`,
    )
    await test.query('torn', `DELETE FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'a'`)
    const holder = await openSession(test.admin, { database: 'busy' })
    await holder.query('BEGIN; LOCK TABLE public.t')
    const url = test.url('postgres')
    const source = sourceOf(url, { databases: 'all', lockTimeoutSeconds: 1 })
    const { manifest, summary } = await drain(source, dir)
    await holder.close()
    expect(summary.complete).toBe(false)
    expect(manifest.database?.databases?.map(each => each.name)).toEqual(['fine', 'postgres'])
    expect(manifest.findings).toMatchObject([
      { severity: 'warning', code: 'database-closed', subject: 'database closed' },
      {
        severity: 'warning',
        code: 'database-invalid',
        subject: 'database gone',
        hint: 'Drop it: DROP DATABASE "gone";',
      },
      { severity: 'error', code: 'database-lost', subject: 'database busy' },
      { severity: 'error', code: 'database-lost', subject: 'database torn' },
    ])
    const named = await drain(sourceOf(url, { databases: ['fine', 'gone'] }), dir)
    expect(named.summary.complete).toBe(false)
    expect(named.manifest.findings).toMatchObject([{ severity: 'error', code: 'database-invalid' }])
    const found = await sourceOf(url, { databases: 'all' }).probe(await makeContext(dir))
    expect(found.map(each => each.code)).toEqual(['database-closed', 'database-invalid', 'no-tables'])
    expect((await failure(drain(sourceOf(url, { databases: ['gone'] }), dir))).code).toBe('source-invalid')
  })

  it.each([
    ['host=203.0.113.9 dbname=x', 1],
    ['postgres://203.0.113.9/x', 2],
    [`it's a \\ "name"`, 1],
    ['-d x', 2],
  ])(
    'reads %s as nothing but a name',
    async (name, jobs) => {
      await make(name, 'CREATE TABLE t AS SELECT 1 AS a')
      const snapshot = await drain(sourceOf(test.url('postgres'), { databases: [name] }), dir)
      const target = `${name}2`
      const outcome = await restoreTo(dir, snapshot, test.url(target), { jobs })
      expect(outcome.checks).toMatchObject([{ passed: true }])
      await restoreTo(dir, snapshot, test.url(target), { force: true, selection: { tables: ['t'] } })
      expect(await rowsOf(test, target)).toEqual(await rowsOf(test, name))
    },
    20_000,
  )

  it('brings back what only the application’s search path can make', async () => {
    await make(
      'app',
      `CREATE TABLE post (id int PRIMARY KEY, title text, price int); INSERT INTO post SELECT g, 'Post '||g, g FROM generate_series(1, 100) g;
       CREATE FUNCTION fold(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower(t) $$;
       CREATE FUNCTION slug(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN replace(fold(t), ' ', '-'); END $$;
       CREATE FUNCTION shown() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT count(*) FROM post $$;
       CREATE INDEX post_slug ON post (slug(title));
       CREATE MATERIALIZED VIEW post_count AS SELECT shown() AS n;
       CREATE TABLE made (t text, s text GENERATED ALWAYS AS (slug(t)) STORED); INSERT INTO made VALUES ('A B');
       CREATE TABLE kept (t text CHECK (slug(t) <> 'bad')); INSERT INTO kept VALUES ('A B');
       CREATE DOMAIN word AS text CHECK (slug(VALUE) <> 'bad'); CREATE TABLE words (w word); INSERT INTO words VALUES ('A B');
       SET check_function_bodies = off; CREATE SCHEMA tenant; CREATE TABLE tenant.setting (v int); INSERT INTO tenant.setting VALUES (7);
       CREATE FUNCTION tenant.configured() RETURNS int LANGUAGE sql STABLE AS $$ SELECT v FROM setting $$;
       SET search_path = public, tenant; CREATE MATERIALIZED VIEW tenant.config AS SELECT configured() AS v`,
    )
    const snapshot = await drain(sourceOf(test.url('app')), dir)
    expect(snapshot.manifest.findings.map(({ code, subject }) => `${code} ${subject}`)).toEqual([
      'function-needs-search-path function public.shown() of app',
      'function-needs-search-path function public.slug(text) of app',
      'function-needs-search-path function tenant.configured() of app',
    ])
    for (const jobs of [1, 2]) {
      const outcome = await restoreTo(dir, snapshot, test.url(`app_${jobs}`), { jobs })
      expect(outcome.leftOut).toBe(false)
      expect(outcome.checks).toMatchObject([{ passed: true }])
      expect(outcome.findings.map(({ code, subject }) => `${code} ${subject}`).toSorted()).toEqual(
        [
          'index public.post_slug',
          'rows of materialized view public.post_count',
          'rows of materialized view tenant.config',
          'rows of public.kept',
          'rows of public.made',
          'rows of public.words',
        ].map(subject => `needed-search-path ${subject} of database app_${jobs}`),
      )
      expect(outcome.findings[0]?.hint).toContain('ALTER FUNCTION public.slug(text) SET search_path =')
      expect(await stateOf(test, `app_${jobs}`)).toEqual(await stateOf(test, 'app'))
    }
    const masked = await restoreTo(dir, snapshot, test.url('app_3'), { mask: maskOf({ kept: { t: 'keep' } }) })
    expect(masked.leftOut).toBe(false)
    expect(await stateOf(test, 'app_3')).toEqual(await stateOf(test, 'app'))
    expect(await stagedRows(dir, snapshot, test.url('app'))).toMatchObject({ kept: 1, made: 1, post: 100 })
    const request = { ...(await makeContext(dir)), snapshot: snapshot.reader, restore: true }
    const verified = await sourceOf(test.url('app')).verify(request)
    expect(verified.checks.every(each => each.passed)).toBe(true)
    expect(verified.findings.map(each => each.code)).toContain('needed-search-path')
  })

  it('captures and restores a database without an encoding, whatever bytes are in its names', async () => {
    await test.query('postgres', `CREATE DATABASE raw TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'`)
    // Three bytes of LATIN1: "ä", "é" and "ÿ"; the driver writes UTF-8 only.
    const odd = (name: string): string => `convert_from(decode('${name}', 'hex'), 'SQL_ASCII')`
    await test.query(
      'raw',
      `DO $$ BEGIN
         EXECUTE format('CREATE SCHEMA %I', ${odd('73e4')});
         EXECUTE format('CREATE TABLE %I.%I (%I text, id int)', ${odd('73e4')}, ${odd('63e9')}, ${odd('ff22')});
         EXECUTE format('INSERT INTO %I.%I SELECT %L, g FROM generate_series(1, 7) g', ${odd('73e4')}, ${odd('63e9')}, ${odd('e4')});
         EXECUTE format('COMMENT ON TABLE %I.%I IS %L', ${odd('73e4')}, ${odd('63e9')}, ${odd('fffe')});
         EXECUTE format('CREATE TABLE %I (a int)', ${odd('63e8')});
       END $$; CREATE TABLE plain AS SELECT 1 AS a`,
    )
    const digest = async (name: string): Promise<unknown> =>
      await test.query(
        name,
        `SELECT encode(textsend(n.nspname || '.' || c.relname || '.' || a.attname || coalesce(obj_description(c.oid), '')), 'hex') AS name
         FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0
         WHERE relkind = 'r' AND n.nspname !~ '^(pg_|information)' ORDER BY 1`,
      )
    const snapshot = await drain(sourceOf(test.url('raw')), dir)
    expect(snapshot.manifest.findings).toEqual([])
    expect(snapshot.manifest.database?.tables.map(({ name, rows }) => [name, rows])).toEqual([
      ['public."c\udce8"', 0],
      ['public.plain', 1],
      ['"s\udce4"."c\udce9"', 7],
    ])
    for (const jobs of [1, 2]) {
      const outcome = await restoreTo(dir, snapshot, test.url(`raw_${jobs}`), { jobs })
      expect(outcome.checks).toMatchObject([{ passed: true }])
      expect(outcome.findings).toEqual([])
      expect(await digest(`raw_${jobs}`)).toEqual(await digest('raw'))
    }
    const plain = await restoreTo(dir, snapshot, test.url('raw_1'), { force: true, selection: { tables: ['plain'] } })
    expect([plain.checks, plain.findings]).toMatchObject([[{ passed: true }], []])
    const data = failure(restoreTo(dir, snapshot, test.url('raw_1'), { force: true, selection: { part: 'data' } }))
    expect(await data).toMatchObject({ code: 'unsupported', message: expect.stringContaining('not UTF-8') })
    const request = { ...(await makeContext(dir)), snapshot: snapshot.reader, restore: true }
    const verified = await sourceOf(test.url('raw')).verify(request)
    expect(verified.checks.every(each => each.passed)).toBe(true)
    expect(await sourceOf(test.url('raw')).probe(await makeContext(dir))).toEqual([])
  })

  it('brings back rows that break what they are held to, and says so', async () => {
    await make(
      'app',
      `CREATE TABLE customer (id int PRIMARY KEY); CREATE TABLE orders (id int PRIMARY KEY, customer int CONSTRAINT orders_fk REFERENCES customer);
       CREATE TABLE amount (v int CONSTRAINT positive CHECK (v > 0) CONSTRAINT even CHECK (v % 2 = 0));
       CREATE DOMAIN mail AS text; CREATE TABLE letter (m mail, n mail);
       CREATE TABLE code (c text, CONSTRAINT code_c UNIQUE (c)); INSERT INTO code VALUES ('a'), ('a2');
       CREATE TABLE part (v int CHECK (v < 100)) PARTITION BY RANGE (v); CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (1000);
       CREATE TABLE pass (until timestamptz CONSTRAINT fresh CHECK (until > now())); INSERT INTO pass VALUES (now() + interval '10 ms');
       INSERT INTO customer VALUES (1); SET session_replication_role = replica; INSERT INTO orders VALUES (1, 1), (2, 99); RESET session_replication_role;
       INSERT INTO amount VALUES (2); INSERT INTO letter VALUES ('x', 'a@b'); INSERT INTO part VALUES (5);
       UPDATE pg_constraint SET convalidated = false WHERE conname IN ('positive', 'part_v_check');
       ALTER TABLE amount DROP CONSTRAINT positive; INSERT INTO amount VALUES (-2);
       ALTER TABLE amount ADD CONSTRAINT positive CHECK (v > 0) NOT VALID;
       ALTER TABLE part DROP CONSTRAINT part_v_check; INSERT INTO part VALUES (500); ALTER TABLE part ADD CONSTRAINT part_v_check CHECK (v < 100) NOT VALID;
       ALTER DOMAIN mail ADD CONSTRAINT address CHECK (VALUE LIKE '%@%') NOT VALID;
       UPDATE pg_constraint SET convalidated = true WHERE contype = 'c';
       SET enable_indexscan = off; SET enable_bitmapscan = off; UPDATE pg_index SET indisunique = false, indisready = false, indislive = true WHERE indexrelid = 'code_c'::regclass;
       INSERT INTO code VALUES ('a')`,
    )
    await test.query(
      'app',
      `UPDATE pg_index SET indisunique = true, indisready = true WHERE indexrelid = 'code_c'::regclass`,
    )
    const snapshot = await drain(sourceOf(test.url('app')), dir)
    expect(snapshot.manifest.findings).toMatchObject([
      {
        code: 'rows-break-foreign-key',
        subject: 'foreign key orders_fk of table public.orders in database app',
        message: expect.stringContaining('1 row of public.orders refer to rows of public.customer'),
        hint: expect.stringContaining('SELECT c.* FROM ONLY "public"."orders" AS c WHERE'),
      },
      { code: 'rows-break-check', subject: 'constraint fresh of table public.pass in database app' },
      {
        code: 'rows-break-check',
        subject: 'constraint positive of table public.amount in database app',
        message: expect.stringContaining('1 row of public.amount do not keep to it'),
        hint: expect.stringContaining('SELECT * FROM ONLY "public"."amount" WHERE NOT ((v > 0))'),
      },
      { code: 'rows-break-check', subject: 'constraint part_v_check of table public.part_1 in database app' },
    ])
    const outcome = await restoreTo(dir, snapshot, test.url('app_2'))
    expect(outcome.leftOut).toBe(true)
    expect(outcome.checks).toMatchObject([{ passed: true }])
    expect(outcome.findings.map(({ code, subject }) => `${code} ${subject}`)).toEqual([
      'constraint-not-valid constraint positive of TABLE public.amount in database app_2',
      'constraint-not-valid constraint address of DOMAIN public.mail in database app_2',
      'constraint-not-valid constraint part_v_check of TABLE public.part in database app_2',
      'constraint-not-valid constraint fresh of TABLE public.pass in database app_2',
      'object-left-out constraint public.code code_c of database app_2',
      'constraint-not-valid foreign key public.orders orders_fk of database app_2',
    ])
    expect(await rowsOf(test, 'app_2')).toEqual(await rowsOf(test, 'app'))
    const valid = await test.query(
      'app_2',
      `SELECT conname, convalidated FROM pg_constraint WHERE contype IN ('c', 'f') AND coninhcount = 0 AND connamespace = 'public'::regnamespace ORDER BY 1`,
    )
    expect(valid.map(each => Object.values(each))).toEqual([
      ['address', false],
      ['even', true],
      ['fresh', false],
      ['orders_fk', false],
      ['part_v_check', false],
      ['positive', false],
    ])
    const masked = await restoreTo(dir, snapshot, test.url('app_4'), { mask: maskOf({ letter: { n: 'name' } }) })
    expect(masked.leftOut).toBe(true)
    expect(masked.findings.map(each => each.subject.replace(/ (?:in|of) database .*/, '')).toSorted()).toEqual(
      outcome.findings.map(each => each.subject.replace(/ (?:in|of) database .*/, '')).toSorted(),
    )
    expect(await stagedRows(dir, snapshot, test.url('app'))).toMatchObject({ amount: 2, orders: 2 })
    const mask = maskOf({ amount: { v: { kind: 'fixed', value: '-4' } } })
    expect((await failure(restoreTo(dir, snapshot, test.url('app_5'), { mask }))).code).toBe('config-invalid')
    // What was restored is as restorable as what was captured.
    const again = await restoreTo(dir, await drain(sourceOf(test.url('app_2')), dir), test.url('app_3'))
    expect(again.leftOut).toBe(false)
  })

  it('never takes a database for restored that lacks rows', async () => {
    await make(
      'app',
      `CREATE FUNCTION gone() RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT 1 $$; CREATE TABLE fine AS SELECT 1 AS a;
       CREATE FUNCTION twice(v int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN v * gone(); END $$;
       CREATE TABLE made (v int, w int GENERATED ALWAYS AS (twice(v)) STORED); INSERT INTO made VALUES (1);
       DROP FUNCTION gone()`,
    )
    const snapshot = await drain(sourceOf(test.url('app')), dir)
    const error = await failure(restoreTo(dir, snapshot, test.url('app_2')))
    expect(error.message).toContain('rows of public.made do not come back: function gone() does not exist')
    expect(error.hint).toContain('ALTER FUNCTION public.twice(integer) SET search_path')
    const left = await restoreTo(dir, snapshot, test.url('app_2'), { checks: false })
    expect(left.leftOut).toBe(true)
    expect(
      await test.query(
        'app_2',
        'SELECT (SELECT count(*)::int FROM fine) AS fine, (SELECT count(*)::int FROM made) AS made',
      ),
    ).toEqual([{ fine: 1, made: 0 }])
  })
})
