import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { openSession } from '../../src/clients/postgres/index.ts'
import type { RestoreOutcome } from '../../src/sources/source.ts'
import { type DrainedSnapshot, drain, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { describeWithPostgres, type TestCluster } from '../helpers/postgres-cluster.ts'
import {
  failure,
  type RestoreOptions,
  restoreTo,
  rowsOf,
  SampleServers,
  schemaOf,
  sequencesOf,
  sourceOf,
} from '../helpers/postgres-samples.ts'

describeWithPostgres('restoring tables into a living database', () => {
  let servers: SampleServers
  let test: TestCluster
  let other: TestCluster
  let dir = ''

  beforeAll(async () => {
    servers = await SampleServers.start(['sakila'])
    test = servers.test
    other = servers.other
  })
  afterAll(async () => {
    await servers.close()
  })
  beforeEach(async () => {
    dir = await makeTempDir('lb-log-')
  })
  afterEach(async () => {
    await removeDir(dir)
  })

  const restore = (snapshot: DrainedSnapshot, target: string, more: RestoreOptions = {}): Promise<RestoreOutcome> =>
    restoreTo(dir, snapshot, target, more)

  const film = async (database: string): Promise<Record<string, string>> => {
    const [row] = await other.query<Record<string, string>>(
      database,
      `SELECT (SELECT count(*) FROM pg_constraint WHERE contype = 'f') AS keys,
        (SELECT count(*) FROM pg_indexes WHERE tablename = 'film') AS indexes,
        (SELECT count(*) FROM pg_trigger WHERE tgrelid = 'film'::regclass AND NOT tgisinternal) AS triggers,
        (SELECT count(*) FROM pg_views WHERE schemaname = 'public') AS views,
        (SELECT count(*) FROM film) AS rows, (SELECT last_value FROM film_film_id_seq) AS sequence`,
    )
    return row ?? {}
  }

  it('gives one table its rows back, and all that refers to it stays', async () => {
    const snapshot = await drain(sourceOf(test.url('sakila')), dir)
    const target = other.url('onetable')
    await restore(snapshot, target)
    const before = await film('onetable')
    expect(Number(before['keys'])).toBeGreaterThan(20)
    await other.query(
      'onetable',
      `UPDATE film SET title = 'gone'; UPDATE customer SET first_name = 'KEPT' WHERE customer_id = 1`,
    )
    expect((await failure(restore(snapshot, target, { selection: { tables: ['film'] } }))).code).toBe('target-exists')
    const outcome = await restore(snapshot, target, { force: true, selection: { tables: ['film'] } })
    expect(outcome.checks).toMatchObject([{ passed: true, found: '1000 rows in 1 tables' }])
    expect(await film('onetable')).toEqual(before)
    expect(await schemaOf(other, 'onetable')).toBe(await schemaOf(test, 'sakila'))
    const [wanted, found] = [await rowsOf(test, 'sakila'), await rowsOf(other, 'onetable')]
    expect(found['public.film']).toBe(wanted['public.film'])
    expect(found['public.customer']).not.toBe(wanted['public.customer'])
  })

  it('brings back a table that was dropped with all that hung on it', async () => {
    const snapshot = await drain(sourceOf(test.url('sakila')), dir)
    const target = other.url('dropped')
    await restore(snapshot, target)
    await other.query('dropped', 'DROP TABLE film CASCADE')
    await restore(snapshot, target, { selection: { tables: ['public.film'] } })
    expect(await schemaOf(other, 'dropped')).toBe(await schemaOf(test, 'sakila'))
    expect(await rowsOf(other, 'dropped')).toEqual(await rowsOf(test, 'sakila'))
    expect(await sequencesOf(other, 'dropped')).toEqual(await sequencesOf(test, 'sakila'))
    await other.query(
      'dropped',
      'DROP TRIGGER film_fulltext_trigger ON film; DROP INDEX idx_title; ALTER TABLE inventory DROP CONSTRAINT inventory_film_id_fkey',
    )
    await restore(snapshot, target, { force: true, selection: { tables: ['film'] } })
    expect(await schemaOf(other, 'dropped')).toBe(await schemaOf(test, 'sakila'))
  })

  it('changes nothing when rows elsewhere need rows that the snapshot lacks', async () => {
    const snapshot = await drain(sourceOf(test.url('sakila')), dir)
    const target = other.url('needs')
    await restore(snapshot, target)
    await other.query(
      'needs',
      `INSERT INTO film (title, language_id, fulltext) VALUES ('new', 1, ''); INSERT INTO inventory (film_id, store_id) SELECT max(film_id), 1 FROM film`,
    )
    const before = await rowsOf(other, 'needs')
    const error = await failure(restore(snapshot, target, { force: true, selection: { tables: ['film'] } }))
    expect(error.message).toMatch(/foreign key/)
    expect(error.hint).toContain('--table')
    expect(await rowsOf(other, 'needs')).toEqual(before)
    expect(await schemaOf(other, 'needs')).toBe(await schemaOf(test, 'sakila'))
    await restore(snapshot, target, { force: true, selection: { tables: ['film', 'inventory'] } })
    expect((await rowsOf(other, 'needs'))['public.film']).toBe((await rowsOf(test, 'sakila'))['public.film'])
    const unknown = await failure(restore(snapshot, target, { force: true, selection: { tables: ['nope'] } }))
    expect(unknown.code).toBe('not-found')
  })

  it('restores a schema, and a partitioned table', async () => {
    await test.createDatabase('schemas')
    await test.query(
      'schemas',
      `CREATE SCHEMA shop; CREATE TABLE shop.day (d date, n int, PRIMARY KEY (d, n)) PARTITION BY RANGE (d);
       CREATE TABLE shop.day_1 PARTITION OF shop.day FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
       CREATE TABLE shop.day_2 PARTITION OF shop.day FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
       INSERT INTO shop.day SELECT '2026-01-20'::date + i, i FROM generate_series(1, 30) i;
       CREATE TABLE public.ref (d date, n int, FOREIGN KEY (d, n) REFERENCES shop.day); INSERT INTO ref SELECT * FROM shop.day;
       CREATE TABLE public.own (x int)`,
    )
    const snapshot = await drain(sourceOf(test.url('schemas')), dir)
    const target = other.url('schemas')
    await restore(snapshot, target)
    await other.query('schemas', `INSERT INTO shop.day VALUES ('2026-01-02', 99); INSERT INTO own VALUES (1)`)
    for (const selection of [{ schemas: ['shop'] }, { tables: ['shop.day'] }, { tables: ['shop.day_1'] }]) {
      await other.query('schemas', `INSERT INTO shop.day VALUES ('2026-01-03', 98) ON CONFLICT DO NOTHING`)
      await restore(snapshot, target, { force: true, selection })
      expect(await schemaOf(other, 'schemas')).toBe(await schemaOf(test, 'schemas'))
      const [wanted, found] = [await rowsOf(test, 'schemas'), await rowsOf(other, 'schemas')]
      expect(found['shop.day_1']).toBe(wanted['shop.day_1'])
      expect(found['public.own']).not.toBe(wanted['public.own'])
    }
  })

  it('brings back dropped partitions, with the rights and publications that they had and no others', async () => {
    const name = 'partitions'
    await test.createDatabase(name)
    for (const cluster of new Set([test, other])) {
      await cluster.query('postgres', `DO $$ BEGIN CREATE ROLE reader; EXCEPTION WHEN duplicate_object THEN END $$`)
    }
    await test.query(
      name,
      `CREATE TABLE day (d date, n int, PRIMARY KEY (d, n)) PARTITION BY RANGE (d); CREATE INDEX day_n ON day (n);
       CREATE TABLE shop (n int PRIMARY KEY); INSERT INTO shop SELECT generate_series(1, 60);
       ALTER TABLE day ADD FOREIGN KEY (n) REFERENCES shop;
       CREATE TABLE jan PARTITION OF day FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
       CREATE TABLE feb PARTITION OF day FOR VALUES FROM ('2026-02-01') TO ('2026-03-01') PARTITION BY RANGE (d);
       CREATE TABLE feb_1 PARTITION OF feb FOR VALUES FROM ('2026-02-01') TO ('2026-02-10');
       CREATE TABLE feb_2 PARTITION OF feb FOR VALUES FROM ('2026-02-10') TO ('2026-03-01');
       INSERT INTO day SELECT '2026-01-10'::date + i, i FROM generate_series(1, 45) i;
       CREATE PUBLICATION news FOR TABLE shop, jan;
       GRANT SELECT ON feb_1 TO reader; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader`,
    )
    const snapshot = await drain(sourceOf(test.url(name)), dir)
    const target = other.url(name)
    await restore(snapshot, target)
    const [schema, rows] = [await schemaOf(other, name), await rowsOf(other, name)]
    const cases: [string, string[]][] = [
      ['DROP TABLE jan', ['jan']],
      ['DROP TABLE jan', ['day']],
      ['DROP TABLE feb', ['feb']],
      ['DROP TABLE feb_2', ['feb']],
      ['DROP TABLE feb, jan', ['day']],
      ['DROP TABLE day', ['day']],
      ['DROP TABLE shop CASCADE', ['shop']],
    ]
    for (const [drop, tables] of cases) {
      await other.query(name, drop)
      await restore(snapshot, target, { force: true, selection: { tables } })
      expect([drop, await schemaOf(other, name)]).toEqual([drop, schema])
      expect(await rowsOf(other, name)).toEqual(rows)
    }
    await other.query(name, 'DROP TABLE feb')
    await restore(snapshot, target, { force: true, selection: { tables: ['feb_1'] } })
    expect((await rowsOf(other, name))['public.feb_1']).toBe(rows['public.feb_1'])
    expect(await other.query(name, `SELECT FROM day WHERE d < '2026-02-10'`)).toHaveLength(30)
  })

  it('names who holds the tables, and lets others through while it waits for them', async () => {
    const snapshot = await drain(sourceOf(test.url('sakila')), dir)
    const target = other.url('held')
    await restore(snapshot, target)
    const reader = await openSession(other.admin, { database: 'held', applicationName: 'a report' })
    await reader.query('BEGIN')
    await reader.query('SELECT count(*) FROM public.film')
    const waiting = failure(
      restore(snapshot, target, { force: true, selection: { tables: ['film'] }, lockTimeoutSeconds: 2 }),
    )
    let slowest = 0
    for (let round = 0; round < 10; round++) {
      const began = performance.now()
      await other.query('held', 'SELECT count(*) FROM film')
      slowest = Math.max(slowest, performance.now() - began)
    }
    const error = await waiting
    await reader.close()
    expect([error.code, error.message]).toEqual(['target-in-use', expect.stringContaining('a report')])
    expect(slowest).toBeLessThan(5000)
  })
})
