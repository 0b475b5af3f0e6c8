import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { Secret } from '../../src/base/secret.ts'
import type { RestoreOutcome } from '../../src/sources/source.ts'
import { type DrainedSnapshot, drain, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { filesHolding, maskOf } from '../helpers/masks.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { databasesOf, failure, type RestoreOptions, restoreTo, sourceOf } from '../helpers/postgres-samples.ts'

/** Texts that must be nowhere on the disk of the target's server. */
const PLANTED = [
  'ada.lovelace',
  'Lovelace',
  '4111111111111111',
  'Privatweg',
  '1815-12-10',
  '+49 30 1234',
  'hopper-grace',
  '89.27.4.1',
  'naïve-Ünicode',
]

const SCHEMA = `
  CREATE EXTENSION citext;
  CREATE SCHEMA "Odd, Names";
  CREATE DOMAIN short AS varchar(12) CHECK (length(VALUE) > 1);
  CREATE TABLE users (
    id serial PRIMARY KEY, email citext NOT NULL UNIQUE, name text, card varchar(19), note text, born date, seen timestamptz,
    phone varchar(20) CHECK (phone ~ '^[+0-9 ]+$'), photo bytea, ip inet, city text, code short, tags text[], data jsonb,
    ref uuid, score numeric(8,2), shout text GENERATED ALWAYS AS (upper(name)) STORED);
  CREATE UNIQUE INDEX users_ref ON users (ref);
  CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id int NOT NULL REFERENCES users, email citext REFERENCES users (email));
  CREATE TABLE events (who text, at date) PARTITION BY RANGE (at);
  CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2000-01-01') TO ('2020-01-01');
  CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2040-01-01');
  CREATE TABLE "Odd, Names"."a.b""c" ("x, y" text, "(z)" text);
  CREATE MATERIALIZED VIEW people AS SELECT name, email FROM users;
  CREATE FUNCTION initial(text) RETURNS text LANGUAGE sql AS 'SELECT substr($1, 1, 1)';
  INSERT INTO users (email, name, card, note, born, seen, phone, photo, ip, city, code, tags, data, ref, score)
    SELECT 'ada.lovelace' || i || '@example.org', E'Ada\\tLovelace\\\\' || i, '4111111111111111',
      E'wrote\\nthe naïve-Ünicode up\\\\N', '1815-12-10', '1815-12-10 10:00:00.5+00', '+49 30 1234' || i, 'hopper-grace', '89.27.4.1',
      'Privatweg', 'c' || i, '{a,b}', '{"k": 1}', gen_random_uuid(), i + 0.25
    FROM generate_series(1, 950) AS i;
  INSERT INTO users (email) VALUES ('nobody@example.org');
  INSERT INTO orders (user_id, email) SELECT id, upper(email::text)::citext FROM users WHERE name IS NOT NULL;
  INSERT INTO events SELECT 'Lovelace ' || i, date '2010-01-01' + i * 30 FROM generate_series(1, 300) AS i;
  INSERT INTO "Odd, Names"."a.b""c" VALUES ('Lovelace', 'Lovelace'), (NULL, NULL);
  ANALYZE;`

const MASK = maskOf({
  users: {
    id: 'hash',
    email: 'email',
    name: 'name',
    card: 'format',
    note: 'text',
    born: 'format',
    seen: 'format',
    phone: 'phone',
    photo: 'hash',
    ip: 'format',
    city: {
      kind: 'sql',
      expression: "initial(users.city) || '-' || length(note) || born::text::varchar(4) -- as it was",
    },
    code: 'format',
    data: { kind: 'fixed', value: '{}' },
    ref: 'hash',
    score: 'format',
  },
  events: { who: 'name' },
  'Odd, Names.a.b"c': { 'x, y': { kind: 'fixed', value: 'tab\tback\\slash\nline' }, '(z)': 'null' },
})

describeWithPostgres('a masked copy of a database', () => {
  let test: TestCluster
  let other: TestCluster
  let dir = ''
  let snapshot: DrainedSnapshot

  beforeAll(async () => {
    test = await startTestCluster()
    other = await startTestCluster()
    await test.createDatabase('shop')
    await test.query('shop', SCHEMA)
  })
  afterAll(async () => {
    await Promise.all([test.close(), other.close()])
  })
  beforeEach(async () => {
    dir = await makeTempDir('lb-mask-')
    snapshot = await drain(sourceOf(test.url('shop')), dir)
  })
  afterEach(async () => {
    await removeDir(dir)
  })

  const restore = (more: RestoreOptions = {}): Promise<RestoreOutcome> =>
    restoreTo(dir, snapshot, other.url('copy'), { mask: MASK, force: true, ...more })
  const value = async (sql: string): Promise<unknown> => Object.values((await other.query('copy', sql))[0] ?? {})[0]

  it('holds no masked value, nor did its server ever write one', async () => {
    await test.query('shop', 'CHECKPOINT')
    const known = filesHolding(test.cluster.dataDir, PLANTED).map(each => each.split(': ')[1])
    expect(new Set(known)).toEqual(new Set(PLANTED.filter(each => !/^1815|^89/.test(each))))
    const outcome = await restore()
    await other.query('copy', 'CHECKPOINT')
    expect(filesHolding(other.cluster.dataDir, PLANTED)).toEqual([])
    expect(filesHolding(join(other.cluster.dataDir, '..'), PLANTED)).toEqual([])
    expect(other.cluster.server.log).not.toContain('Lovelace')
    expect(outcome.checks).toMatchObject([{ passed: true }])
    expect(outcome.findings.map(each => each.code)).toEqual([])
    const counted = Object.fromEntries(outcome.masked?.map(each => [`${each.table}.${each.column}`, each.values]) ?? [])
    expect(counted).toMatchObject({
      'public.users.email': 951,
      'public.users.name': 950,
      'public.users.city': 950,
      'public.orders.user_id': 950,
      'public.events_old.who': 121,
      'Odd, Names.a.b"c.x, y': 1,
    })
    const follower = outcome.masked?.find(each => each.table === 'public.orders' && each.column === 'email')
    expect(follower?.follows).toBe('public.users.email')
  })

  it('still joins, is still unique, and keeps NULL, types, lengths and what has no rule', async () => {
    await restore()
    expect(
      await value('SELECT count(*) FROM orders JOIN users ON users.id = user_id AND users.email = orders.email'),
    ).toBe('950')
    expect(await value('SELECT count(DISTINCT email) FROM users')).toBe('951')
    expect(
      await value('SELECT count(*) FROM users WHERE name IS NULL AND card IS NULL AND city IS NULL AND photo IS NULL'),
    ).toBe('1')
    expect(
      await value(
        "SELECT count(*) FROM users WHERE extract(year FROM born) = 1815 AND card ~ '^\\d{16}$' AND length(photo) = 32",
      ),
    ).toBe('950')
    expect(await value("SELECT count(*) FROM users WHERE city = 'P-' || length(note) || '1815'")).toBe('950')
    expect(await value("SELECT count(*) FROM users WHERE shout = upper(name) AND tags = '{a,b}' AND data = '{}'")).toBe(
      '950',
    )
    expect(await value("SELECT count(*) FROM users WHERE phone LIKE '+999%'")).toBe('950')
    expect(await value("SELECT count(*) FROM people WHERE email LIKE '%@example.com'")).toBe('951')
    expect(await value("SELECT count(*) FROM events WHERE who !~ 'Lovelace'")).toBe('300')
    expect(await value('SELECT "x, y" FROM "Odd, Names"."a.b""c" WHERE "x, y" IS NOT NULL')).toBe(
      'tab\tback\\slash\nline',
    )
    expect(await value('SELECT count(*) FROM "Odd, Names"."a.b""c" WHERE "(z)" IS NULL')).toBe('2')
    // What the sequence gives next is not there yet.
    await other.query('copy', "INSERT INTO users (email) VALUES ('a@example.com'), ('b@example.com')")
  })

  it('is the same for the same seed, from one stream or several, and another for another', async () => {
    const state = async (): Promise<unknown> => await other.query('copy', 'SELECT * FROM users ORDER BY email')
    await restore()
    const first = await state()
    const big = `CREATE TABLE filler AS SELECT i AS id, repeat(md5(i::text), 30) AS t, 'Lovelace' AS name FROM generate_series(1, 45000) AS i`
    await test.query('shop', big)
    try {
      snapshot = await drain(sourceOf(test.url('shop'), { jobs: 2 }), dir)
      expect(snapshot.manifest.database?.databases?.[0]?.archives).toHaveLength(2)
      const mask = { ...MASK, tables: [...MASK.tables, ...maskOf({ filler: { name: 'name' } }).tables] }
      await restore({ jobs: 2, mask })
      expect(await state()).toEqual(first)
      expect(await value("SELECT count(*) FROM filler WHERE name = 'Lovelace'")).toBe('0')
      expect(filesHolding(other.cluster.dataDir, PLANTED)).toEqual([])
    } finally {
      await test.query('shop', 'DROP TABLE filler')
    }
    snapshot = await drain(sourceOf(test.url('shop')), dir)
    await restore({ mask: { ...MASK, seed: new Secret('another') } })
    expect(await state()).not.toEqual(first)
  })

  it('warns of what looks personal and has no rule', async () => {
    const outcome = await restore({ mask: maskOf({ users: { email: 'email', name: 'keep' } }) })
    const warned = outcome.findings.filter(each => each.code === 'personal-column-unmasked').map(each => each.subject)
    expect(warned).toEqual(
      expect.arrayContaining(['public.users.phone', 'public.users.card', 'public.users.ip', 'public.users.born']),
    )
    expect(warned).not.toContain('public.users.name')
    expect(warned).not.toContain('public.users.code')
  })

  it.each([
    [
      'an unknown table',
      { user: { email: 'email' } },
      'mask.yaml:2:3: there is no table "user"; did you mean "users"?',
    ],
    [
      'an unknown column',
      { users: { emial: 'email' } },
      'table public.users has no column "emial"; did you mean "email"?',
    ],
    ['NOT NULL', { users: { email: 'null' } }, 'public.users.email cannot become null'],
    ['NOT NULL, by SQL', { orders: { user_id: { kind: 'sql', expression: 'NULL' } } }, 'refers to public.users.id'],
    [
      'a unique constraint',
      { users: { ref: { kind: 'fixed', value: '00000000-0000-4000-a000-000000000000' } } },
      'constraint users_ref wants it unique',
    ],
    [
      'a unique index, by the data',
      { users: { ref: { kind: 'sql', expression: "'00000000-0000-4000-a000-000000000000'" } } },
      "masking public.users.ref with sql '00000000-0000-4000-a000-000000000000' breaks unique constraint users_ref of table public.users",
    ],
    [
      'a foreign key',
      { orders: { email: 'email' } },
      'public.orders.email refers to public.users.email (foreign key orders_email_fkey)',
    ],
    [
      'a check',
      { users: { phone: 'name' } },
      'masking public.users.phone with name breaks check constraint users_phone_check of table public.users',
    ],
    [
      'a domain',
      { users: { code: { kind: 'fixed', value: 'x' } } },
      'masking public.users.code with fixed "x" breaks check constraint short_check of table public.users',
    ],
    [
      'a length',
      { users: { card: { kind: 'sql', expression: 'repeat(card, 2)' } } },
      'masking public.users.card with sql repeat(card, 2) breaks the type character varying(19) of table public.users',
    ],
    ['a type', { users: { data: 'text' } }, 'public.users.data is of type jsonb, which text cannot write'],
    [
      'SQL that cannot be run',
      { users: { city: { kind: 'sql', expression: 'nope(city)' } } },
      'public.users.city cannot be masked with sql nope(city): function nope(text) does not exist',
    ],
    [
      'SQL that fails on a row',
      { users: { city: { kind: 'sql', expression: 'city::int::text' } } },
      'public.users.city cannot be masked with sql city::int::text: invalid input syntax for type integer',
    ],
  ] as const)('breaks %s: a clear error, and nothing is left', async (_what, tables, message) => {
    await restore({ mask: MASK })
    const before = await databasesOf(other)
    const error = await failure(restore({ mask: maskOf(tables) }))
    expect(error.message).toContain(message)
    expect(error.code).toBe('config-invalid')
    expect(JSON.stringify(error.context)).not.toMatch(/Privatweg|Lovelace/)
    expect(await databasesOf(other)).toEqual(before)
  })

  it('is stopped in the middle: nothing is left, and nothing unmasked was written', async () => {
    const fresh = await startTestCluster()
    const before = await databasesOf(fresh)
    const stop = new AbortController()
    const reader = {
      ...snapshot.reader,
      async *read(node: Parameters<typeof snapshot.reader.read>[0]) {
        for await (const part of snapshot.reader.read(node)) {
          yield part
          if (part.includes('COPY') || part.length > 1000) stop.abort()
        }
      },
    }
    try {
      const stopped = restoreTo(dir, { ...snapshot, reader }, fresh.url('copy'), { mask: MASK, signal: stop.signal })
      expect((await failure(stopped)).code).toBe('interrupted')
      expect(await databasesOf(fresh)).toEqual(before)
      expect(filesHolding(fresh.cluster.dataDir, PLANTED)).toEqual([])
    } finally {
      await fresh.close()
    }
  })

  it('refuses what it cannot mask', async () => {
    expect((await failure(restoreTo(dir, snapshot, join(dir, 'folder'), { mask: MASK }))).code).toBe('unsupported')
    expect((await failure(restore({ selection: { tables: ['users'] } }))).code).toBe('unsupported')
    const rows = await drain(sourceOf(test.url('shop')), dir, { type: 'data' })
    expect((await failure(restoreTo(dir, rows, other.url('copy'), { mask: MASK, force: true }))).code).toBe(
      'unsupported',
    )
  })
})
