import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { CopyAnswer } from '../source.ts'
import { askDatabase } from './ask-database.ts'

let dir: string
let other: string
// Nothing that is asked may change it, so one is enough.
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'lifeboat-ask-'))
  other = join(dir, 'other.db')
  mkdirSync(join(dir, 'in'))
  const db = new DatabaseSync(join(dir, 'in/app.db'))
  db.exec(`CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
    INSERT INTO users VALUES (1, 'a'), (2, NULL), (9007199254740993, x'c0ffee');
    CREATE VIRTUAL TABLE words USING fts5 (text); INSERT INTO words VALUES ('hello there');
    CREATE VIRTUAL TABLE boxes USING rtree (id, low, high); INSERT INTO boxes VALUES (1, 2, 3);
    PRAGMA user_version = 7`)
  db.close()
  new DatabaseSync(other).close()
})

afterAll(() => rmSync(dir, { recursive: true, force: true }))

const ask = (sql: string, limit = 10): CopyAnswer => askDatabase(join(dir, 'in/app.db'), sql, limit)

const PLAN = [[expect.anything(), 0n, expect.anything(), 'SCAN users']]

it.each<[string, string[], unknown]>([
  ['SELECT count(*) FROM users;', ['count(*)'], [[3n]]],
  ['SELECT max(id) AS most FROM users', ['most'], [[9_007_199_254_740_993n]]],
  ['/* a; b */ -- c;\n SELECT id FROM users WHERE name IS NULL -- d', ['id'], [[2n]]],
  ['SELECT name, 0.5 AS name FROM users WHERE id > 2', ['name', 'name'], [[Uint8Array.of(0xc0, 0xff, 0xee), 0.5]]],
  ['SELECT id FROM users WHERE id = 5', ['id'], []],
  [`WITH few AS (SELECT 1 AS x) SELECT x FROM few UNION VALUES (';')`, ['x'], [[1n], [';']]],
  ['EXPLAIN QUERY PLAN SELECT * FROM users', ['id', 'parent', 'notused', 'detail'], PLAN],
  ['PRAGMA user_version', ['user_version'], [[7n]]],
  ['pragma main.integrity_check(1)', ['integrity_check'], [['ok']]],
  [`SELECT name FROM pragma_table_info('users')`, ['name'], [['id'], ['name']]],
  [`SELECT text FROM words WHERE words MATCH 'hello'`, ['text'], [['hello there']]],
  ['SELECT id FROM boxes', ['id'], [[1n]]],
])('answers %s', (sql, columns, rows) => expect(ask(sql)).toEqual({ columns, rows, more: false }))

const READS_ONLY = 'only statements that read are run: SELECT, WITH, VALUES, EXPLAIN'
const ONE_ONLY = 'there is more than one statement: ask one at a time'

/** In place of OTHER and NEW: a database that is there, and a file that is not. */
it.each([
  ['', 'there is no statement'],
  ['; -- nothing', 'there is no statement'],
  ['SELECT 1; SELECT 2', ONE_ONLY],
  ['SELECT 1; DROP TABLE users', ONE_ONLY],
  ['DELETE FROM users RETURNING id', READS_ONLY],
  ['WITH few AS (SELECT 1) DELETE FROM users RETURNING id', 'attempt to write a readonly database'],
  ['CREATE TEMP TABLE t (a)', READS_ONLY],
  [`ATTACH DATABASE 'OTHER' AS other`, READS_ONLY],
  [`EXPLAIN ATTACH DATABASE 'OTHER' AS other`, 'it does more than read: SQLite would not run it'],
  [`VACUUM INTO 'NEW'`, READS_ONLY],
  ['BEGIN', READS_ONLY],
  ['PRAGMA user_version = 8', 'PRAGMA user_version is not one that only reads'],
  ['PRAGMA main.user_version(8)', 'PRAGMA user_version is not one that only reads'],
  ['PRAGMA journal_mode = WAL', 'PRAGMA journal_mode is not one that only reads'],
  [`PRAGMA temp_store_directory = 'NEW'`, 'PRAGMA temp_store_directory is not one that only reads'],
  [`SELECT load_extension('OTHER')`, 'not authorized to use function: load_extension'],
  [`SELECT readfile('OTHER')`, 'no such function: readfile'],
  [`SELECT * FROM 'OTHER'`, expect.stringContaining('no such table')],
  ['SELECT missing FROM users', 'no such column: missing'],
  ['SELEC 1', 'near "SELEC": syntax error'],
])('refuses %s', (template, problem) => {
  const files = (): unknown => readdirSync(dir, { recursive: true })
  const before = files()
  const answer = (): CopyAnswer => {
    try {
      return ask(template.replace('OTHER', other).replace('NEW', join(dir, 'new.db')))
    } catch (error) {
      return { problem: (error as Error).message }
    }
  }
  expect(answer()).toEqual({ problem })
  expect(ask('SELECT count(*), (SELECT user_version FROM pragma_user_version) FROM users')).toMatchObject({
    rows: [[3n, 7n]],
  })
  expect(files()).toEqual(before)
})

it('reaches no other file where Node has no authorizer', () => {
  const authorizer = Object.getOwnPropertyDescriptor(DatabaseSync.prototype, 'setAuthorizer')
  const before = readdirSync(dir, { recursive: true })
  Reflect.deleteProperty(DatabaseSync.prototype, 'setAuthorizer')
  try {
    for (const sql of [`ATTACH '${other}' AS other`, `VACUUM INTO '${join(dir, 'new.db')}'`, '/* */ BEGIN']) {
      expect(ask(sql)).toEqual({ problem: READS_ONLY })
    }
    expect(ask('PRAGMA user_version = 8')).toEqual({ problem: 'PRAGMA user_version is not one that only reads' })
    expect(() => ask(`SELECT load_extension('${other}')`)).toThrow('not authorized')
    expect(ask('PRAGMA user_version')).toMatchObject({ rows: [[7n]] })
  } finally {
    if (authorizer) Object.defineProperty(DatabaseSync.prototype, 'setAuthorizer', authorizer)
  }
  expect(readdirSync(dir, { recursive: true })).toEqual(before)
})

it('takes no longer for thousands of comments', () => {
  expect(ask(`SELECT 1;${'/**/'.repeat(20_000)}x`)).toEqual({ problem: ONE_ONLY })
})

it('gives as many rows as are wanted, and as an answer holds', () => {
  const endless = (value: string): string =>
    `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT ${value} AS v FROM n`
  expect(ask(endless('i'), 2)).toEqual({ columns: ['v'], rows: [[1n], [2n]], more: true })
  expect(ask('SELECT id FROM users', 3)).toMatchObject({ more: false })
  const wide = ask(endless('zeroblob(5000000)'), 100)
  expect('rows' in wide && [wide.rows.length, wide.more]).toEqual([3, true])
  expect(ask('SELECT length(zeroblob(40000000)), zeroblob(40000000)')).toMatchObject({ more: false })
})
