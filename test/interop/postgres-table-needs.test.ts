import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Change } from '../../src/sources/source.ts'
import type { CreatedObject } from '../../src/sources/target.ts'
import { type DrainedSnapshot, drain, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { type RestoreOptions, restoreTo, schemaOf, sourceOf } from '../helpers/postgres-samples.ts'

describeWithPostgres('what tables need when they come back', () => {
  let test: TestCluster
  let dir = ''

  beforeAll(async () => {
    test = await startTestCluster()
    await test.query('postgres', 'CREATE ROLE bob; CREATE ROLE reader')
    dir = await makeTempDir('lb-log-')
  })
  afterAll(async () => {
    await test.close()
    await removeDir(dir)
  })

  const captured = async (name: string, sql: string): Promise<DrainedSnapshot> => {
    await test.createDatabase(name)
    await test.query(name, sql)
    return await drain(sourceOf(test.url(name)), dir)
  }
  const restore = (snapshot: DrainedSnapshot, name: string, more: RestoreOptions = {}) =>
    restoreTo(dir, snapshot, test.url(name), { force: true, ...more })
  const largeObjects = async (name: string): Promise<Record<string, string>> => {
    const rows = await test.query<{ oid: string; what: string }>(
      name,
      `SELECT oid, concat_ws(' ', lomowner::regrole, lomacl::text, md5(lo_get(oid))) AS what FROM pg_largeobject_metadata`,
    )
    return Object.fromEntries(rows.map(row => [row.oid, row.what]))
  }

  it('brings large objects back that are gone, and writes to none that is there', async () => {
    const snapshot = await captured(
      'files',
      `CREATE DOMAIN lo AS oid; CREATE TABLE file (id int PRIMARY KEY, body oid, more lo, pages oid[]);
       CREATE TABLE other (id int PRIMARY KEY, body oid);
       SELECT lo_from_bytea(50001, 'short'), lo_from_bytea(50002, decode(repeat('00ff5c27', 20000), 'hex')), lo_from_bytea(50003, ''),
         lo_from_bytea(50004, 'a page'), lo_from_bytea(50005, 'of other'), lo_from_bytea(50006, 'nobody''s');
       ALTER LARGE OBJECT 50002 OWNER TO bob; GRANT SELECT ON LARGE OBJECT 50002 TO reader;
       INSERT INTO file VALUES (1, 50001, 50002, '{50003, 50004}'), (2, NULL, NULL, NULL); INSERT INTO other VALUES (1, 50005)`,
    )
    const before = await largeObjects('files')
    expect(Object.keys(before)).toHaveLength(6)
    await test.query(
      'files',
      `SELECT lo_unlink(oid) FROM pg_largeobject_metadata; TRUNCATE file;
       SELECT lo_from_bytea(50001, 'short'), lo_from_bytea(50004, 'A page'), lo_from_bytea(50003, 'longer')`,
    )
    const now = await largeObjects('files')
    const one = await restore(snapshot, 'files', { selection: { tables: ['file'] } })
    expect(await largeObjects('files')).toEqual({ ...now, '50002': before['50002'] })
    expect(one.findings).toMatchObject([
      { code: 'large-objects-restored', severity: 'info' },
      { code: 'large-objects-not-restored', subject: 'large objects 50003, 50004 of database files' },
    ])
    expect(one.leftOut).toBe(true)
    // As the hint says it.
    await test.query('files', one.findings[1]?.hint?.match(/SELECT.*;/)?.[0] ?? '')
    const all = await restore(snapshot, 'files', { selection: { part: 'data' } })
    expect(await largeObjects('files')).toEqual(before)
    expect([all.leftOut, all.findings.map(each => each.code)]).toEqual([false, ['large-objects-restored']])
    const again = await restore(snapshot, 'files', { selection: { part: 'data' } })
    expect([again.leftOut, again.findings]).toEqual([false, []])
  })

  it('finds what functions name without a schema, as the application does', async () => {
    const snapshot = await captured(
      'pathed',
      `CREATE TABLE cfg (v int); INSERT INTO cfg VALUES (3);
       CREATE FUNCTION lim() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN (SELECT v FROM cfg); END';
       CREATE FUNCTION norm(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n % lim()';
       CREATE TABLE part (n int CHECK (norm(n) < 9), rest int GENERATED ALWAYS AS (norm(n)) STORED);
       CREATE INDEX part_norm ON part (norm(n)); INSERT INTO part VALUES (4), (8)`,
    )
    const rows = () => test.query('pathed', 'SELECT n, rest FROM part ORDER BY n')
    const before = await rows()
    expect(before).toEqual([
      { n: 4, rest: 1 },
      { n: 8, rest: 2 },
    ])
    await test.query('pathed', 'UPDATE part SET n = 5')
    await restore(snapshot, 'pathed', { selection: { tables: ['part'] } })
    expect(await rows()).toEqual(before)
    await test.query('pathed', 'DROP TABLE part')
    await restore(snapshot, 'pathed', { selection: { tables: ['part'] } })
    expect(await rows()).toEqual(before)
    expect(await test.query('pathed', `SELECT to_regclass('part_norm')::text AS name`)).toEqual([{ name: 'part_norm' }])
  })

  const GONE = `
    CREATE FUNCTION code() RETURNS int LANGUAGE sql AS 'SELECT 7';
    CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE TABLE kind (id int PRIMARY KEY);
    CREATE TABLE item (id int PRIMARY KEY, price int DEFAULT code(), kind int, size positive, mood mood);
    ALTER TABLE item ADD CONSTRAINT small CHECK (size < 100);
    INSERT INTO kind VALUES (1); INSERT INTO item VALUES (1, -5, 1, 2, 'good'), (2, 5, 9, 3, 'bad');
    ALTER TABLE item ADD CONSTRAINT cheap CHECK (price > 0) NOT VALID;
    ALTER TABLE item ADD CONSTRAINT kinds FOREIGN KEY (kind) REFERENCES kind NOT VALID;
    CREATE TRIGGER stamp BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION stamp();
    CREATE FUNCTION shown(i item, much numeric DEFAULT 1) RETURNS text LANGUAGE sql AS 'SELECT i.id::text';
    REVOKE ALL ON FUNCTION shown FROM PUBLIC; GRANT EXECUTE ON FUNCTION shown TO reader;
    CREATE FUNCTION dear(p int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT p > 3';
    CREATE INDEX dear ON item (dear(price));
    CREATE VIEW shown AS SELECT shown(i) FROM item i;
    CREATE FUNCTION longer(text, item) RETURNS text LANGUAGE sql AS 'SELECT $1';
    CREATE AGGREGATE longest(item) (sfunc = longer, stype = text, initcond = '')`
  const back: string[] = [
    'ALTER TABLE item DROP CONSTRAINT cheap, DROP CONSTRAINT kinds',
    'DROP TABLE kind CASCADE; DROP FUNCTION stamp, dear, shown CASCADE',
    'DROP TABLE item CASCADE; DROP FUNCTION code, stamp, dear; DROP DOMAIN positive; DROP TYPE mood',
  ]
  it('brings back what went by CASCADE, and keys and checks that were not valid', async () => {
    const snapshot = await captured('gone', GONE)
    const schema = await schemaOf(test, 'gone')
    for (const drop of back) {
      await test.query('gone', drop)
      await restore(snapshot, 'gone', { selection: { tables: ['item', 'kind'] } })
      expect.soft([drop, await schemaOf(test, 'gone')]).toEqual([drop, schema])
    }
  })

  it('names what did not come back with them, and what a table that is there lacks', async () => {
    await test.query('postgres', 'DROP DATABASE gone')
    const snapshot = await captured(
      'gone',
      `${GONE}; CREATE VIEW pair AS SELECT kind.id FROM kind, item; CREATE CAST (item AS text) WITH FUNCTION textual(item)`.replace(
        'CREATE CAST',
        `CREATE FUNCTION textual(item) RETURNS text LANGUAGE sql AS 'SELECT 1'; CREATE CAST`,
      ),
    )
    await test.query('gone', 'DROP FUNCTION code CASCADE; ALTER TABLE item DROP CONSTRAINT small, ALTER id TYPE bigint')
    const kept = await restore(snapshot, 'gone', { selection: { tables: ['item'] } })
    expect(kept.leftOut).toBe(true)
    expect(kept.findings).toMatchObject([
      { code: 'object-left-out', subject: 'function public.code() of database gone' },
      { code: 'table-shape-kept', subject: 'table public.item of database gone' },
    ])
    expect(kept.findings[1]?.message).toMatch(/DEFAULT public\.code\(\); ADD CONSTRAINT small CHECK/)
    await test.query('gone', 'DROP TABLE item, kind CASCADE')
    const made = await restore(snapshot, 'gone', { selection: { tables: ['item'] } })
    expect(made.findings.map(each => each.subject)).toEqual([
      'cast CAST (public.item AS text) of database gone',
      'view public.pair of database gone',
      'foreign key public.item kinds of database gone',
    ])
    expect(made.leftOut).toBe(true)
  })

  it('brings a schema back that is gone, and undo takes it away again', async () => {
    const snapshot = await captured(
      'schemas',
      `CREATE SCHEMA shop; SET search_path = shop; ${GONE}; GRANT USAGE ON SCHEMA shop TO reader;
       ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO bob`,
    )
    const schema = await schemaOf(test, 'schemas')
    await test.query('schemas', 'DROP SCHEMA shop CASCADE')
    const empty = await schemaOf(test, 'schemas')
    let made: readonly CreatedObject[] = []
    const beforeChange = async ({ tables }: Change): Promise<void> => {
      made = tables?.created ?? []
    }
    const outcome = await restore(snapshot, 'schemas', { selection: { schemas: ['shop'] }, beforeChange })
    expect([outcome.findings, outcome.leftOut]).toEqual([[], false])
    expect(await schemaOf(test, 'schemas')).toBe(schema)
    await restore(snapshot, 'schemas', { takeAway: made })
    expect(await schemaOf(test, 'schemas')).toBe(empty)
    expect(empty).not.toContain('shop')
  })
})
