import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { withSession } from '../../src/clients/postgres/index.ts'
import { askConfined } from '../../src/sources/postgres/logical/query/ask-confined.ts'
import { confineDatabase, openDatabase } from '../../src/sources/postgres/logical/query/confine.ts'
import type { CopyAnswer, QuerySandbox, RestoreOutcome } from '../../src/sources/source.ts'
import { drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { failure, sourceOf } from '../helpers/postgres-samples.ts'
import { otherServers } from '../helpers/postgres-versions.ts'

const TRACE = join(tmpdir(), `lifeboat-escaped-${process.pid}`)

/** All that a superuser of the source may have left in it: traps, and grants of what is closed elsewhere. */
const TRAPS = `
  CREATE EXTENSION dblink; CREATE EXTENSION postgres_fdw; CREATE EXTENSION file_fdw; CREATE EXTENSION hstore;
  CREATE EXTENSION bloom; CREATE EXTENSION citext; CREATE EXTENSION tablefunc;
  GRANT EXECUTE ON FUNCTION pg_read_file(text) TO PUBLIC;
  GRANT EXECUTE ON FUNCTION pg_ls_dir(text) TO PUBLIC;
  GRANT EXECUTE ON FUNCTION dblink_connect_u(text) TO PUBLIC;
  GRANT SELECT ON pg_authid TO PUBLIC;
  CREATE FUNCTION as_owner() RETURNS text SECURITY DEFINER LANGUAGE plpgsql AS
    $$ BEGIN COPY (SELECT 1) TO PROGRAM 'touch ${TRACE}'; RETURN 'escaped'; END $$;
  CREATE FUNCTION writes() RETURNS text LANGUAGE plpgsql AS $$ BEGIN DELETE FROM kinds; RETURN 'wrote'; END $$;
  CREATE FUNCTION whoami() RETURNS text SECURITY DEFINER LANGUAGE sql AS 'SELECT current_user::text';
  CREATE FUNCTION reads(text) RETURNS text AS 'pg_read_file_all' LANGUAGE internal;
  CREATE FUNCTION connects(text) RETURNS text AS '$libdir/dblink', 'dblink_connect' LANGUAGE C STRICT;
  CREATE VIEW passwords AS SELECT rolname, rolpassword FROM pg_authid;
  CREATE OPERATOR CLASS evil FOR TYPE text USING gist AS STORAGE text, FUNCTION 1 dblink_connect_u(text, text);
  CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
  CREATE FOREIGN TABLE passwd (line text) SERVER files OPTIONS (filename '/etc/passwd');
  CREATE VIEW passwd_of_owner AS SELECT * FROM passwd;
  CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'localhost');
  CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'app', password 'sesame', password_required 'false');
  CREATE FOREIGN TABLE far_rows (x int) SERVER far;
  CREATE VIEW server_of_ours AS SELECT dblink_connect_u('dbname=postgres') AS x;`

const CONTENTS = `
  CREATE TABLE kinds (id int, big bigint, num numeric, ok bool, part float8, data jsonb, tags text[], bytes bytea, at timestamptz,
    pairs hstore, mail citext, none text);
  INSERT INTO kinds VALUES (1, 9007199254740993, 12345678901234567890.123, true, 0.5, '{"a": [1, null]}', '{a,NULL,"b c"}',
    '\\xc0ffee', '2026-11-30 12:00+00', 'k=>v', 'Ann@Acme.io', NULL);
  CREATE SEQUENCE numbers;
  CREATE TABLE many AS SELECT i FROM generate_series(1, 5000) i;
  CREATE INDEX ON many USING bloom (i);
  CREATE SCHEMA closed AUTHORIZATION app;
  SET ROLE app;
  CREATE TABLE closed.secret (word text);
  INSERT INTO closed.secret VALUES ('mine'), ('yours');
  ALTER TABLE closed.secret ENABLE ROW LEVEL SECURITY;
  ALTER TABLE closed.secret FORCE ROW LEVEL SECURITY;
  CREATE POLICY mine ON closed.secret USING (word = 'mine');
  RESET ROLE;
  CREATE VIEW words AS SELECT word FROM closed.secret;
  SELECT lo_from_bytea(4711, 'large');
  ALTER DATABASE shop SET search_path = public, closed;
  ALTER DATABASE shop CONNECTION LIMIT 0;`

const REFUSED: ReadonlyArray<readonly [statement: string, why: RegExp]> = [
  [`COPY kinds TO PROGRAM 'touch ${TRACE}'`, /syntax error/],
  [`COPY kinds TO '${TRACE}'`, /syntax error/],
  [`SELECT pg_read_file('/etc/passwd')`, /permission denied for function pg_read_file/],
  [`SELECT pg_ls_dir('/')`, /permission denied for function pg_ls_dir/],
  [`SELECT lo_import('/etc/passwd')`, /permission denied for function lo_import/],
  [`SELECT lo_export(4711, '${TRACE}')`, /permission denied for function lo_export/],
  [`SELECT * FROM pg_authid`, /permission denied for table pg_authid/],
  [`SELECT * FROM passwords`, /permission denied for table pg_authid/],
  [`SELECT * FROM pg_user_mapping`, /permission denied/],
  [`SELECT as_owner()`, /must be superuser|permission denied/],
  [`SELECT writes()`, /read-only transaction|permission denied/],
  [`SELECT reads('/etc/passwd')`, /closed in this copy/],
  [`SELECT connects('dbname=postgres')`, /closed in this copy/],
  [`SELECT dblink_connect('dbname=postgres')`, /closed in this copy/],
  [`SELECT dblink_connect_u('a', 'dbname=postgres')`, /closed in this copy/],
  [`SELECT * FROM dblink('dbname=postgres', 'SELECT 1') AS x (i int)`, /closed in this copy/],
  [`SELECT * FROM server_of_ours`, /closed in this copy/],
  [`SELECT * FROM passwd`, /has no handler/],
  [`SELECT * FROM passwd_of_owner`, /has no handler/],
  [`SELECT * FROM far_rows`, /has no handler/],
  [
    `SELECT * FROM crosstab('COPY (SELECT 1) TO PROGRAM ''touch ${TRACE}''') AS x (a text, b text)`,
    /COPY is not allowed in a non-volatile function/,
  ],
  [`SELECT query_to_xml('COPY (SELECT 1) TO PROGRAM ''touch ${TRACE}''', true, true, '')`, /COPY|cursor|SPI/],
  [`SET ROLE postgres`, /syntax error/],
  [`SELECT set_config('role', 'postgres', false)`, /permission denied to set role/],
  [`SELECT set_config('role', 'app', false)`, /permission denied to set role/],
  [`SELECT set_config('session_authorization', 'postgres', false)`, /permission denied to set session authorization/],
  [`RESET SESSION AUTHORIZATION`, /syntax error/],
  [`SELECT set_config('session_preload_libraries', 'x', false)`, /permission denied|cannot be set/],
  [`SELECT set_config('transaction_read_only', 'off', true)`, /must be set before any query/],
  [`DO $$ BEGIN END $$`, /syntax error/],
  [`CREATE TABLE x ()`, /syntax error/],
  [`SELECT 1 AS x INTO new_table`, /SELECT ... INTO is not allowed here/],
  [`INSERT INTO kinds (id) VALUES (2)`, /syntax error/],
  [`WITH gone AS (DELETE FROM kinds RETURNING id) SELECT * FROM gone`, /data-modifying/],
  [`TRUNCATE kinds`, /syntax error/],
  [`SELECT 1; COMMIT; DROP TABLE kinds`, /multiple commands/],
  [`SELECT lo_from_bytea(0, 'mine')`, /permission denied for function lo_from_bytea/],
  [`SELECT nextval('numbers')`, /permission denied|read-only/],
  [`SELECT pg_terminate_backend(pg_backend_pid())`, /terminat|connection/i],
  [`SELECT repeat('x', 100000000) FROM generate_series(1, 2)`, /64 MiB/],
]

describeWithPostgres('a recovery point of PostgreSQL is queried in a server of its own', () => {
  let test: TestCluster
  let dir = ''
  let place: QuerySandbox
  let restored: RestoreOutcome

  beforeAll(async () => {
    test = await startTestCluster()
    dir = await makeTempDir()
    await test.query('postgres', `CREATE ROLE app LOGIN PASSWORD 'sesame'; GRANT pg_read_all_data TO app`)
    await test.createDatabase('shop')
    await test.query('shop', TRAPS)
    await test.query('shop', CONTENTS)
    const source = sourceOf(test.url('shop'))
    const { reader } = await drain(source, dir)
    const context = await makeContext(dir)
    place = await source.openQuerySandbox({ ...context, snapshot: reader })
    const how = { force: true, delta: false, checks: false, include: [] }
    restored = await source.restore({ ...context, ...place, ...how, snapshot: reader })
  }, 120_000)
  afterAll(async () => {
    await place?.close()
    await test?.close()
    await removeDir(dir)
  })

  const ask = async (sql: string, limit = 10, timeoutMs = 30_000): Promise<CopyAnswer> =>
    await place.query({ sql, limit, timeoutMs })
  const rows = async (sql: string): Promise<unknown> => ({ rows: [], ...(await ask(sql)) }).rows

  it('is restored as a whole', () => {
    expect(restored.findings).toEqual([])
  })

  it('gives values as they are, or as text where a number would lose digits', async () => {
    expect(await ask('SELECT * FROM kinds;')).toEqual({
      columns: ['id', 'big', 'num', 'ok', 'part', 'data', 'tags', 'bytes', 'at', 'pairs', 'mail', 'none'],
      rows: [
        [
          1n,
          9007199254740993n,
          '12345678901234567890.123',
          'true',
          0.5,
          '{"a": [1, null]}',
          '{a,NULL,"b c"}',
          new Uint8Array([0xc0, 0xff, 0xee]),
          expect.stringMatching(/^2026-11-30 \d\d:00:00/),
          '"k"=>"v"',
          'Ann@Acme.io',
          null,
        ],
      ],
      more: false,
    })
  })

  it('gives no more rows than wanted, and says that there are more', async () => {
    expect(await ask('TABLE many', 3)).toEqual({ columns: ['i'], rows: [[1n], [2n], [3n]], more: true })
    expect(await ask('SELECT i FROM many WHERE i > 4990', 10)).toMatchObject({ more: false })
    expect(await ask('SELECT 1 AS a, 2 AS a WHERE false')).toEqual({ columns: ['a', 'a'], rows: [], more: false })
    const wide = await ask(`SELECT repeat('x', 1000000) FROM many`, 5000)
    expect(wide).toMatchObject({ more: true })
    expect('rows' in wide && wide.rows.length).toBeGreaterThan(10)
    expect('rows' in wide && wide.rows.length).toBeLessThan(30)
  }, 30_000)

  it('shows all rows, also through views, extensions that are trusted, and the search path of the database', async () => {
    expect(await rows('SELECT word FROM secret ORDER BY 1')).toEqual([['mine'], ['yours']])
    expect(await rows('SELECT word FROM words ORDER BY 1')).toEqual([['mine'], ['yours']])
    expect(await rows(`SELECT mail FROM kinds WHERE mail = 'ann@acme.io' AND pairs->'k' = 'v'`)).toEqual([
      ['Ann@Acme.io'],
    ])
    expect(await rows('SELECT i FROM many WHERE i = 7')).toEqual([[7n]])
    expect(await rows('SELECT lo_get(4711)')).toEqual([[new Uint8Array(Buffer.from('large'))]])
    expect(await rows('SELECT whoami() = current_user')).toEqual([['true']])
  })

  it.each(REFUSED)('refuses %s', async (statement, why) => {
    expect(await ask(statement)).toEqual({ problem: expect.stringMatching(why) })
    expect(existsSync(TRACE)).toBe(false)
    expect(await rows('SELECT id FROM kinds')).toEqual([[1n]])
  })

  it('has one role that can log in, which is in no other and owns nothing', async () => {
    expect(
      await rows(`SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolinherit,
        (SELECT count(*) FROM pg_auth_members WHERE member = r.oid), (SELECT count(*) FROM pg_class WHERE relowner = r.oid)
        FROM pg_roles r WHERE rolcanlogin AND NOT rolsuper`),
    ).toEqual([['false', 'false', 'false', 'false', 'false', 0n, 0n]])
    expect(await rows(`SELECT rolname FROM pg_roles WHERE rolsuper AND rolname = 'postgres'`)).toEqual([])
    expect(await rows('SELECT has_database_privilege(current_database(), $$temp$$)')).toEqual([['false']])
  })

  it('ends a statement whose time is over, also one that takes its limit away', async () => {
    const endless = `SELECT count(*) FROM generate_series(1, 1e12) WHERE set_config('statement_timeout', '0', false) = '0'`
    expect(await ask(endless, 1, 300)).toEqual({ problem: 'no answer within 0.3 s' })
  })

  it('says which server programs it needs, and which databases there are', async () => {
    const { reader } = await drain(sourceOf(test.url('shop')), dir)
    const request = { ...(await makeContext(dir)), snapshot: reader }
    const without = failure(sourceOf(test.url('shop'), { binDir: dir }).openQuerySandbox(request))
    expect(await without).toMatchObject({ code: 'tool-missing', hint: expect.stringMatching(/postgresql-\d+ /) })
    const another = failure(sourceOf(test.url('shop')).openQuerySandbox({ ...request, database: 'other' }))
    expect(await another).toMatchObject({ code: 'not-found', hint: 'It holds: shop.' })
  })

  it('leaves nothing behind', async () => {
    const folder = new URL(place.target.replace('@/', '@localhost/')).searchParams.get('host') ?? ''
    expect(existsSync(folder)).toBe(true)
    await place.close()
    expect(existsSync(folder)).toBe(false)
  })
})

describeWithPostgres('a database is confined on servers of other versions, too', () => {
  it.each(otherServers.map(tools => [tools.major, tools] as const))('of version %s', async (_major, tools) => {
    const test = await startTestCluster({ tools })
    try {
      await test.createDatabase('shop')
      await test.query(
        'shop',
        `CREATE TABLE kinds (id int); INSERT INTO kinds VALUES (1);
         GRANT EXECUTE ON FUNCTION pg_read_file(text) TO PUBLIC; GRANT SELECT ON pg_authid TO PUBLIC;
         CREATE FUNCTION whoami() RETURNS text SECURITY DEFINER LANGUAGE sql AS 'SELECT current_user::text';
         CREATE FUNCTION reads() RETURNS text AS 'pg_backend_pid' LANGUAGE internal;
         CREATE VIEW passwords AS SELECT rolpassword FROM pg_authid;
         CREATE ROLE reader LOGIN NOINHERIT BYPASSRLS; CREATE ROLE rest`,
      )
      await withSession(test.admin, { database: 'shop' }, async session => {
        await openDatabase(session, 'shop')
        await confineDatabase(session, 'shop', 'rest')
      })
      const settings = { ...test.admin, user: 'reader', database: 'shop' }
      const ask = async (what: string): Promise<CopyAnswer> =>
        await askConfined(
          settings,
          { sql: `SELECT ${what}`, limit: 1, timeoutMs: 10_000 },
          new AbortController().signal,
        )
      expect(await ask('id, whoami() FROM public.kinds')).toMatchObject({ rows: [[1n, 'reader']] })
      for (const what of [`pg_read_file('PG_VERSION')`, 'rolpassword FROM pg_authid', 'rolpassword FROM passwords']) {
        expect(await ask(what)).toEqual({ problem: expect.stringContaining('permission denied') })
      }
      expect(await ask('reads()')).toEqual({ problem: expect.stringContaining('closed in this copy') })
      expect(await ask(`lo_creat(-1)`)).toEqual({ problem: expect.stringMatching(/permission denied/) })
    } finally {
      await test.close()
    }
  })
})
