import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type DrainedSnapshot,
  drain,
  makeContext,
  makeTempDir,
  removeDir,
} from '../../../../test/helpers/drained-snapshot.ts'
import { filesHolding, maskOf } from '../../../../test/helpers/masks.ts'
import { AppError } from '../../../base/errors.ts'
import { Secret } from '../../../base/secret.ts'
import type { Mask } from '../../../model/masking/rules.ts'
import type { RestoreOutcome, RestoreRequest } from '../../source.ts'
import { SqliteSource } from '../sqlite-source.ts'

let dir = ''
let target = ''
let snapshot: DrainedSnapshot

/** Texts that must be nowhere in a masked copy; FTS keeps words in lower case and cut at common beginnings. */
const PLANTED = [
  'ada.lovelace',
  'Lovelace',
  'LOVELACE',
  'hopper-grace',
  '4111111111111111',
  'Privatweg',
  'deleted-person',
  'analytical',
]

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE COLLATE NOCASE, name TEXT, card TEXT, note TEXT,
    born TEXT, photo BLOB, city TEXT, score REAL, upper_name TEXT GENERATED ALWAYS AS (upper(name)) STORED,
    domain TEXT AS (substr(email, instr(email, '@'))));
  CREATE INDEX users_name ON users (lower(name)) WHERE name IS NOT NULL;
  CREATE TABLE logins (email TEXT REFERENCES users (email), ip TEXT, at TEXT, PRIMARY KEY (email, at)) WITHOUT ROWID;
  CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users, total INTEGER) STRICT;
  CREATE TABLE audit (what TEXT);
  CREATE TRIGGER users_audit AFTER INSERT ON users BEGIN INSERT INTO audit VALUES (new.name); END;
  CREATE TRIGGER users_guard BEFORE UPDATE ON users BEGIN SELECT RAISE(ABORT, 'never'); END;
  CREATE VIEW people AS SELECT name, email FROM users;
  CREATE VIRTUAL TABLE notes USING fts5 (body);
  CREATE VIRTUAL TABLE users_search USING fts5 (name, note, content='users', content_rowid='id');
  CREATE VIRTUAL TABLE words USING fts5 (body, content='');
  CREATE VIRTUAL TABLE places USING rtree (id, min_x, max_x);
  CREATE VIRTUAL TABLE "4" USING fts4 (body);`

beforeEach(async () => {
  dir = await makeTempDir()
  mkdirSync(join(dir, 'out'))
  target = join(dir, 'out', 'copy.db')
  const db = new DatabaseSync(join(dir, 'app.db'))
  db.exec(SCHEMA)
  const user = db.prepare(
    'INSERT INTO users (email, name, card, note, born, photo, city, score) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  )
  const login = db.prepare('INSERT INTO logins VALUES (?, ?, ?)')
  const order = db.prepare('INSERT INTO orders VALUES (?, ?, ?)')
  db.exec('BEGIN')
  for (let i = 0; i < 500; i++) {
    const email = `ada.lovelace${i}@example.org`
    user.run(
      email,
      `Ada Lovelace ${i}`,
      '4111111111111111',
      'wrote the analytical engine up',
      '1815-12-10',
      Buffer.from('hopper-grace'),
      'Privatweg',
      1.5,
    )
    login.run(email, '10.1.2.3', `2026-01-01 ${i}`)
    order.run(i + 1, i + 1, i)
  }
  user.run('nobody@example.org', null, null, null, null, null, null, null)
  db.exec(`COMMIT;
    INSERT INTO notes SELECT 'Ada Lovelace at Privatweg' FROM orders LIMIT 20;
    INSERT INTO "4" SELECT 'Lovelace again' FROM orders LIMIT 5;
    INSERT INTO users_search (users_search) VALUES ('rebuild');
    INSERT INTO words (rowid, body) VALUES (1, 'Lovelace analytical');
    INSERT INTO places VALUES (1, 1.25, 2.5);
    INSERT INTO users (email, name) SELECT 'deleted-person' || id, 'deleted-person' FROM orders;
    DELETE FROM users WHERE email LIKE 'deleted-person%'; DELETE FROM audit; PRAGMA user_version = 7`)
  db.close()
  snapshot = await drain(new SqliteSource('app', { path: 'app.db' }, { baseDir: dir }), dir)
})

afterEach(() => removeDir(dir))

const MASK = maskOf({
  USERS: {
    id: 'hash',
    email: 'email',
    name: 'name',
    card: 'format',
    note: 'text',
    born: 'format',
    photo: 'hash',
    city: { kind: 'sql', expression: "upper(substr(city, 1, 1)) || '-' || length(users.name) -- a comment" },
    score: { kind: 'fixed', value: 2 },
  },
  logins: { ip: 'format', at: 'keep' },
  notes: { body: 'text' },
  '4': { body: { kind: 'fixed', value: 'nothing' } },
})

async function restore(mask: Mask, options: Partial<RestoreRequest> = {}): Promise<RestoreOutcome> {
  return await new SqliteSource('app', { path: 'app.db' }, { baseDir: dir }).restore({
    ...(await makeContext(dir)),
    snapshot: snapshot.reader,
    target,
    force: false,
    delta: false,
    checks: true,
    include: [],
    mask,
    ...options,
  })
}

async function failure(mask: Mask, options: Partial<RestoreRequest> = {}): Promise<AppError> {
  const error = await restore(mask, options).catch((reason: unknown) => reason)
  if (!(error instanceof AppError)) throw new Error(`no clear error: ${String(error)}`)
  return error
}

function query(sql: string): Array<Record<string, unknown>> {
  const db = new DatabaseSync(target, { readOnly: true })
  try {
    return db.prepare(sql).all()
  } finally {
    db.close()
  }
}

const value = (sql: string): unknown => Object.values(query(sql)[0] ?? {})[0]
const left = (): string[] => readdirSync(join(dir, 'out'))
const staged = (): string[] => {
  const folder = `/dev/shm/lifeboat-${process.getuid?.() ?? 0}`
  return existsSync(folder) ? readdirSync(folder).filter(name => name.startsWith(`${process.pid}-`)) : []
}

describe('a masked copy', () => {
  it('holds no masked value anywhere, and passes every check', async () => {
    const captured = filesHolding(dir, PLANTED).map(each => each.split(': ')[1])
    expect(new Set(captured)).toEqual(new Set(PLANTED))
    const outcome = await restore(MASK)
    expect(filesHolding(join(dir, 'out'), PLANTED)).toEqual([])
    expect(left()).toEqual(['copy.db'])
    expect(staged()).toEqual([])
    expect(outcome.checks.length).toBeGreaterThan(5)
    expect(outcome.checks.filter(check => !check.passed)).toEqual([])
    expect(outcome.masked).toContainEqual({
      table: 'users',
      column: 'name',
      rule: { kind: 'name' },
      follows: undefined,
      values: 500,
    })
    expect(outcome.masked).toContainEqual({
      table: 'orders',
      column: 'user_id',
      rule: { kind: 'hash' },
      follows: 'users.id',
      values: 500,
    })
    expect(outcome.findings.map(each => each.code)).toEqual(['masked-in-memory', 'search-index-empty'])
    expect(statSync(target).mode & 0o777).toBe(statSync(join(dir, 'app.db')).mode & 0o777)
  })

  it('still joins, is still unique, and keeps NULL, types and shapes', async () => {
    await restore(MASK)
    expect(value('SELECT count(*) FROM users')).toBe(501)
    expect(value('SELECT count(DISTINCT email) FROM users')).toBe(501)
    expect(value('SELECT count(*) FROM logins JOIN users USING (email)')).toBe(500)
    expect(value('SELECT count(*) FROM orders JOIN users ON users.id = user_id WHERE total >= 0')).toBe(500)
    expect(
      query('SELECT DISTINCT typeof(card) AS c, typeof(photo) AS p, length(photo) AS l, score FROM users ORDER BY 1'),
    ).toEqual([
      { c: 'null', p: 'null', l: null, score: null },
      { c: 'text', p: 'blob', l: 32, score: 2 },
    ])
    expect(value("SELECT city FROM users WHERE city LIKE 'P-%' LIMIT 1")).toMatch(/^P-1[45]$/)
    expect(value("SELECT count(*) FROM users WHERE length(note) = 30 AND born LIKE '1815-__-__'")).toBe(500)
    expect(value("SELECT count(*) FROM users WHERE upper_name = upper(name) AND domain = '@example.com'")).toBe(500)
    expect(value("SELECT count(*) FROM logins WHERE ip LIKE '%.%.%.%'")).toBe(500)
    expect(value('PRAGMA user_version')).toBe(7)
    expect(value('PRAGMA journal_mode')).toBe('wal')
    // Triggers came last: what they did was done.
    expect(value('SELECT count(*) FROM audit')).toBe(0)
    expect(value("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'")).toBe(2)
  })

  it('fills search indexes with masked text, or leaves them empty and says so', async () => {
    await restore(MASK)
    const name = String(value('SELECT name FROM users WHERE name IS NOT NULL'))
    expect(value(`SELECT count(*) FROM users_search WHERE users_search MATCH '"${name}"'`)).toBe(1)
    expect(value("SELECT count(*) FROM users_search WHERE users_search MATCH 'lovelace'")).toBe(0)
    expect(value('SELECT count(*) FROM notes')).toBe(20)
    expect(value('SELECT count(*) FROM "4" WHERE "4" MATCH \'nothing\'')).toBe(5)
    expect(value("SELECT count(*) FROM words WHERE words MATCH 'lovelace'")).toBe(0)
    expect(value('SELECT max_x FROM places WHERE id = 1')).toBe(2.5)
  })

  it('is the same for the same seed, and another for another', async () => {
    const dump = (): unknown => query('SELECT * FROM users ORDER BY id')
    await restore(MASK)
    const first = dump()
    await restore(MASK, { force: true })
    expect(dump()).toEqual(first)
    await restore({ ...MASK, seed: new Secret('another') }, { force: true })
    expect(dump()).not.toEqual(first)
  })

  it('warns of what looks personal and has no rule, with the line to add', async () => {
    const outcome = await restore(maskOf({ users: { email: 'email', name: 'keep' } }))
    const warnings = outcome.findings.filter(each => each.code === 'personal-column-unmasked')
    expect(warnings.map(each => each.subject)).toEqual(['logins.ip', 'users.card', 'users.born'])
    expect(warnings[1]).toMatchObject({ hint: expect.stringContaining('"users: { card: format }"') })
    const empty = outcome.findings.filter(each => each.code === 'search-index-empty').map(each => each.subject)
    expect(empty).toEqual(['4', 'notes', 'words'])
  })

  it('replaces a target only when all is well, whatever lies beside it', async () => {
    writeFileSync(target, 'old')
    writeFileSync(`${target}.lifeboat-partial`, 'ada.lovelace')
    expect((await failure(MASK)).code).toBe('target-exists')
    await restore(MASK, { force: true, delta: true })
    expect(left()).toEqual(['copy.db'])
    expect(filesHolding(join(dir, 'out'), PLANTED)).toEqual([])
  })
})

describe('a mask that does not fit', () => {
  it.each([
    [
      'an unknown table',
      { user: { email: 'email' } },
      'mask.yaml:2:3: there is no table "user"; did you mean "users"?',
    ],
    [
      'an unknown column',
      { users: { emial: 'email' } },
      'mask.yaml:3:3: table users has no column "emial"; did you mean "email"?',
    ],
    ['NOT NULL', { users: { email: 'null' } }, 'users.email cannot become null'],
    [
      'a unique constraint',
      { users: { email: { kind: 'fixed', value: 'x' } } },
      'users.email cannot be the same in every row',
    ],
    ['a foreign key', { logins: { email: 'email' } }, 'logins.email refers to users.email'],
    ['a generated column', { users: { domain: 'text' } }, 'users.domain is computed from other columns'],
    ['a strict type', { orders: { total: 'text' } }, 'orders.total is of type INTEGER, which text cannot write'],
    [
      'a strict type, by SQL',
      { orders: { total: { kind: 'sql', expression: "'x'" } } },
      "masking orders.total with sql 'x' breaks the type INTEGER",
    ],
    [
      'SQL that cannot be run',
      { users: { city: { kind: 'sql', expression: 'nope(city)' } } },
      'users.city cannot be masked with sql nope(city): no such function: nope',
    ],
  ] as const)('breaks %s: a clear error, and nothing is left', async (_what, tables, message) => {
    writeFileSync(target, 'old')
    const error = await failure(maskOf(tables), { force: true })
    expect(error).toMatchObject({ code: 'config-invalid', message: expect.stringContaining(message) })
    expect(left()).toEqual(['copy.db'])
    expect(filesHolding(join(dir, 'out'), ['old'])).toEqual(['copy.db: old'])
    expect(staged()).toEqual([])
  })

  it('breaks what only the data tells: names table, column and constraint', async () => {
    const db = new DatabaseSync(join(dir, 'app.db'))
    db.exec(`CREATE TABLE coupons (code TEXT CONSTRAINT short CHECK (length(code) < 9), owner TEXT);
      CREATE UNIQUE INDEX one_each ON coupons (owner);
      INSERT INTO coupons VALUES ('a', 'x'), ('b', 'y')`)
    db.close()
    snapshot = await drain(new SqliteSource('app', { path: 'app.db' }, { baseDir: dir }), dir)
    const checked = await failure(maskOf({ coupons: { code: 'hash' } }))
    expect(checked.message).toBe(
      'mask.yaml:3:3: masking coupons.code with hash breaks constraint CHECK short of table coupons',
    )
    const same = { kind: 'sql', expression: "'same'" } as const
    const unique = await failure(maskOf({ coupons: { owner: same } }))
    expect(unique.message).toContain(
      "masking coupons.owner with sql 'same' breaks constraint one_each UNIQUE (owner) of table coupons",
    )
    expect(left()).toEqual([])
  })

  it('refuses rows as text', async () => {
    snapshot = await drain(new SqliteSource('app', { path: 'app.db' }, { baseDir: dir }), dir, { type: 'data' })
    expect((await failure(MASK)).code).toBe('unsupported')
  })

  it('masks on the disk that the file names, and says so', async () => {
    const outcome = await restore({ ...MASK, staging: join(dir, 'private') })
    expect(outcome.findings[0]).toMatchObject({ code: 'masked-on-disk', severity: 'warning' })
    expect(readdirSync(join(dir, 'private'))).toEqual([])
  })

  it('is stopped: nothing is left', async () => {
    const stop = new AbortController()
    const reader = {
      ...snapshot.reader,
      restoreFiles: async (files: Parameters<typeof snapshot.reader.restoreFiles>[0]) => {
        const bytes = await snapshot.reader.restoreFiles(files)
        stop.abort()
        return bytes
      },
    }
    const error = await failure(MASK, { snapshot: reader, signal: stop.signal })
    expect(error.code).toBe('interrupted')
    expect(left()).toEqual([])
    expect(staged()).toEqual([])
  })
})
