import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { MergeRules } from '../../src/model/merge-rules.ts'
import { type MergeResult, merge } from '../../src/operations/merge/merge.ts'
import { LogicalSource } from '../../src/sources/postgres/logical/logical-source.ts'
import { postgresOptions } from '../../src/sources/postgres/options.ts'
import { drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { describeWithPostgres, type TestCluster } from '../helpers/postgres-cluster.ts'
import { databasesOf, failure, SampleServers, stateOf } from '../helpers/postgres-samples.ts'

describeWithPostgres('merging PostgreSQL samples', () => {
  let servers: SampleServers
  let test: TestCluster
  let dir = ''

  beforeAll(async () => {
    servers = await SampleServers.start(['sakila', 'northwind'])
    test = servers.test
  })
  afterAll(async () => {
    await servers.close()
  })
  beforeEach(async () => {
    dir = await makeTempDir('lb-merge-pg-')
  })
  afterEach(async () => {
    await removeDir(dir)
  })

  const sourceOf = (database: string, user?: string): LogicalSource => {
    const options = postgresOptions.parse({ url: test.url(database), ...(user === undefined ? {} : { user }) })
    return new LogicalSource('shop', options, { baseDir: dir })
  }
  const mergeInto = async (
    source: LogicalSource,
    snapshot: Awaited<ReturnType<typeof drain>>,
    rules: Partial<MergeRules> = {},
    dryRun = false,
  ): Promise<MergeResult> =>
    await merge({
      ...(await makeContext(dir)),
      source,
      snapshot: snapshot.reader,
      rules: { tables: {}, references: {}, triggers: false, ...rules },
      dryRun,
    })

  it('brings sakila back to what it was: inherited tables, triggers, domains, arrays, tsvector, sequences', async () => {
    const source = sourceOf('sakila')
    const snapshot = await drain(source, dir)
    const before = await stateOf(test, 'sakila')
    const databases = await databasesOf(test)
    // Tables that inherit from payment, and not its key.
    const parts = [1, 2, 3, 4, 5, 6].map(month => `payment_p2007_0${month}`)
    const rules = { tables: Object.fromEntries(parts.map(name => [name, { key: ['payment_id'] }])) }
    expect((await failure(mergeInto(source, snapshot))).message).toMatch(/cannot merge tables payment_p2007_01, /)
    const unchanged = await mergeInto(source, snapshot, rules)
    expect(unchanged.changed).toBe(false)
    expect(await stateOf(test, 'sakila')).toEqual(before)
    await test.query(
      'sakila',
      `SET session_replication_role = replica; DELETE FROM payment WHERE payment_id % 3 = 0;
       DELETE FROM rental WHERE rental_id > 9000; DELETE FROM inventory WHERE film_id > 500;
       DELETE FROM film_actor WHERE film_id > 500; DELETE FROM film_category WHERE film_id > 500;
       DELETE FROM film WHERE film_id > 500; DELETE FROM store; DELETE FROM staff`,
    )
    const dry = await mergeInto(source, snapshot, rules, true)
    const result = await mergeInto(source, snapshot, rules)
    expect({ ...dry, dryRun: false, durationMs: 0 }).toEqual({ ...result, durationMs: 0 })
    expect(result.tables.find(table => table.table === 'film')).toMatchObject({ added: 500, matched: 500, skipped: 0 })
    expect(await stateOf(test, 'sakila')).toEqual(before)
    expect(await databasesOf(test)).toEqual(databases)
  })

  it('merges northwind, whose keys are texts and small numbers', async () => {
    const source = sourceOf('northwind')
    const snapshot = await drain(source, dir)
    const before = await stateOf(test, 'northwind')
    await test.query(
      'northwind',
      `SET session_replication_role = replica; DELETE FROM order_details; DELETE FROM orders;
      DELETE FROM customers WHERE customer_id < 'M'; DELETE FROM employees WHERE employee_id < 4`,
    )
    await mergeInto(source, snapshot)
    expect(await stateOf(test, 'northwind')).toEqual(before)
  })

  it('keeps values, identities and sequences of every kind', async () => {
    await test.createDatabase('kinds')
    await test.query(
      'kinds',
      `CREATE SCHEMA shop; CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN positive AS int NOT NULL CHECK (VALUE > 0);
       CREATE TABLE shop.person (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email citext NOT NULL UNIQUE,
         m mood, n numeric, j json, b bytea, ts timestamptz, a text[], d positive, f float8, r int4range,
         full_name text GENERATED ALWAYS AS (email::text || '!') STORED);
       CREATE TABLE note (id serial PRIMARY KEY, person bigint NOT NULL REFERENCES shop.person, deleted_at timestamptz, slug text);
       CREATE UNIQUE INDEX live_slug ON note (slug) WHERE deleted_at IS NULL;
       INSERT INTO shop.person (email, m, n, j, b, ts, a, d, f, r) VALUES
         ('Ada@x', 'ok', 1.00, '{"b": 1,  "a": 2}', '\\x00ff', '2024-01-01 00:00:00.123456+02', '{a,"b c",NULL}', 3, 0.1, '[1,5)'),
         ('bob@x', NULL, 'NaN', NULL, '', 'infinity', '{}', 1, '-Infinity', 'empty');
       INSERT INTO note (person, slug) VALUES (1, 'x'), (2, 'y'), (2, 'z')`,
    )
    const source = sourceOf('kinds')
    const snapshot = await drain(source, dir)
    const before = await stateOf(test, 'kinds')
    await test.query('kinds', 'DELETE FROM note; DELETE FROM shop.person')
    await mergeInto(source, snapshot)
    expect(await stateOf(test, 'kinds')).toEqual(before)
    await test.query(
      'kinds',
      `DELETE FROM note; DELETE FROM shop.person; SELECT setval('note_id_seq', 1, false);
       INSERT INTO shop.person (id, email, d) OVERRIDING SYSTEM VALUE VALUES (7, 'ADA@X', 1), (2, 'zoe@x', 1);
       INSERT INTO note (id, person, slug) VALUES (50, 7, 'z')`,
    )
    const rules = { tables: { person: { key: ['email'], onConflict: 'backup' as const } } }
    const result = await mergeInto(source, snapshot, rules)
    expect(result.tables.map(t => [t.table, t.added, t.updated, t.remapped, t.skipped])).toEqual([
      ['shop.person', 1, 1, 2, 0],
      ['note', 2, 0, 0, 1],
    ])
    const people = await test.query(
      'kinds',
      'SELECT id, email, n::text, j::text, full_name FROM shop.person ORDER BY id',
    )
    expect(people).toEqual([
      { id: '2', email: 'zoe@x', n: null, j: null, full_name: 'zoe@x!' },
      { id: '7', email: 'ADA@X', n: '1.00', j: '{"b": 1,  "a": 2}', full_name: 'ADA@X!' },
      { id: '8', email: 'bob@x', n: 'NaN', j: null, full_name: 'bob@x!' },
    ])
    expect(await test.query('kinds', 'SELECT id, person, slug FROM note ORDER BY id')).toEqual([
      { id: 1, person: '7', slug: 'x' },
      { id: 2, person: '8', slug: 'y' },
      { id: 50, person: '7', slug: 'z' },
    ])
    const next = await test.query('kinds', `INSERT INTO shop.person (email, d) VALUES ('new', 1) RETURNING id`)
    expect(next).toEqual([{ id: '9' }])
    expect(await test.query('kinds', 'INSERT INTO note (person) VALUES (7) RETURNING id')).toEqual([{ id: 51 }])
  })

  it('needs no superuser: the owner, who may create databases; what is missing the dry run finds', async () => {
    await test.query('postgres', 'CREATE ROLE shopkeeper LOGIN CREATEDB; CREATE ROLE guest LOGIN CREATEDB')
    await test.createDatabase('owned')
    await test.query(
      'owned',
      `GRANT CREATE ON SCHEMA public TO shopkeeper; SET ROLE shopkeeper;
       CREATE TABLE a (id int PRIMARY KEY, b int NOT NULL); CREATE TABLE b (id int PRIMARY KEY, a int NOT NULL REFERENCES a DEFERRABLE);
       BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO b VALUES (1, 1); INSERT INTO a VALUES (1, 1); COMMIT;
       ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b; ALTER TABLE b ALTER CONSTRAINT b_a_fkey NOT DEFERRABLE;
       CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''fired''; END';
       CREATE TRIGGER tr BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f()`,
    )
    await test.query('owned', 'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest')
    const source = sourceOf('owned', 'shopkeeper')
    const snapshot = await drain(source, dir)
    const before = await stateOf(test, 'owned')
    await test.query('owned', 'SET session_replication_role = replica; DELETE FROM a; DELETE FROM b')
    const refused = await failure(mergeInto(sourceOf('owned', 'guest'), snapshot, {}, true))
    expect(refused.message).toMatch(/must be owner of table a/)
    await mergeInto(source, snapshot)
    expect(await stateOf(test, 'owned')).toEqual(before)
  })

  it('merges tables whose keys can be deferred', async () => {
    await test.createDatabase('deferred')
    await test.query(
      'deferred',
      `CREATE TABLE pk (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v text UNIQUE DEFERRABLE);
       CREATE TABLE part (id int, v text, UNIQUE (id, v) DEFERRABLE) PARTITION BY LIST (id);
       CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1, 2, 3);
       CREATE TABLE room (id int PRIMARY KEY, during int4range, EXCLUDE USING gist (during WITH &&) DEFERRABLE);
       CREATE UNIQUE INDEX ON pk (lower(v));
       CREATE TABLE zone (id int PRIMARY KEY); CREATE TABLE area (id int PRIMARY KEY, zone int) PARTITION BY LIST (id);
       CREATE TABLE area_1 PARTITION OF area FOR VALUES IN (1); ALTER TABLE area_1 ADD FOREIGN KEY (zone) REFERENCES zone;
       INSERT INTO zone VALUES (1); INSERT INTO area VALUES (1, 1);
       INSERT INTO pk VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'); INSERT INTO part VALUES (1, 'x'), (2, 'y');
       INSERT INTO room VALUES (1, '[1,5)'), (2, '[5,9)'), (3, '[20,30)')`,
    )
    const snapshot = await drain(sourceOf('deferred'), dir)
    await test.query(
      'deferred',
      `DELETE FROM pk WHERE id > 1; INSERT INTO pk VALUES (9, 'B'), (8, 'd'); DELETE FROM part WHERE id = 2;
       DELETE FROM room WHERE id > 1; INSERT INTO room VALUES (7, '[6,7)'); DELETE FROM area; DELETE FROM zone`,
    )
    await mergeInto(sourceOf('deferred'), snapshot)
    // 'b' breaks the key of an expression, 'd' one that is known, and 2 the exclusion: those that are there stay.
    expect(await test.query('deferred', 'SELECT id FROM pk ORDER BY 1')).toEqual([1, 3, 8, 9].map(id => ({ id })))
    expect(await test.query('deferred', 'SELECT id FROM part ORDER BY 1')).toEqual([1, 2].map(id => ({ id })))
    expect(await test.query('deferred', 'SELECT id FROM room ORDER BY 1')).toEqual([1, 3, 7].map(id => ({ id })))
    // A key of one partition alone: what it refers to comes first.
    expect(await test.query('deferred', 'SELECT zone FROM area, zone')).toEqual([{ zone: 1 }])
    const before = await stateOf(test, 'deferred')
    await mergeInto(sourceOf('deferred'), snapshot)
    expect(await stateOf(test, 'deferred')).toEqual(before)
  })

  it('leaves nothing behind when it fails', async () => {
    await test.createDatabase('bare')
    await test.query('bare', 'CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, $$many$$)')
    const snapshot = await drain(sourceOf('bare'), dir)
    const databases = await databasesOf(test)
    await test.query('bare', 'DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, v int)')
    const error = await failure(mergeInto(sourceOf('bare'), snapshot))
    expect(error.message).toMatch(/invalid input syntax for type integer: "many"/)
    expect((await failure(mergeInto(sourceOf('gone'), snapshot))).message).toMatch(/no database .*gone.* to merge into/)
    expect(await databasesOf(test)).toEqual(databases)
    expect(await test.query('bare', 'SELECT * FROM t')).toEqual([])
  })
})
