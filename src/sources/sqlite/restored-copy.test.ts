import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { beforeEach, expect, it } from 'vitest'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import type { CopyAnswer } from '../source.ts'
import { copyOf } from './restored-copy.ts'

let path: string
beforeEach(() => {
  path = join(makeTempDir(), 'app.db')
  const db = new DatabaseSync(path)
  db.exec(`PRAGMA journal_mode = WAL; CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
    INSERT INTO users VALUES (1, 'a'), (2, NULL), (9007199254740993, x'c0ffee')`)
  db.close()
})

const ask = async (sql: string, timeoutMs = 10_000): Promise<CopyAnswer> => {
  const { query } = copyOf(path, new AbortController().signal)
  return (await query?.({ sql, timeoutMs })) ?? { problem: 'no query' }
}

it.each([
  ['SELECT count(*) FROM users;', '3'],
  ['SELECT max(id) FROM users', '9007199254740993'],
  ['SELECT name FROM users WHERE id = 2', null],
  ['SELECT name FROM users WHERE id > 2', 'c0ffee'],
  ['SELECT 0.5', '0.5'],
])('gives the one value of %s', async (sql, value) => expect(await ask(sql)).toEqual({ value }))

it.each([
  ['SELECT * FROM users', '2 columns in place of one value'],
  ['SELECT id FROM users', 'more than one row in place of one value'],
  ['SELECT id FROM users WHERE id = 5', 'no row'],
  ['SELECT missing FROM users', 'no such column: missing'],
  ['DELETE FROM users RETURNING id', 'attempt to write a readonly database'],
])('says why there is none: %s', async (sql, problem) => {
  expect(await ask(sql)).toEqual({ problem })
  expect(await ask('SELECT count(*) FROM users')).toEqual({ value: '3' })
})

it('ends a statement whose time is over', async () => {
  const endless = 'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n'
  expect(await ask(endless, 200)).toEqual({ problem: 'no answer within 0.2 s' })
})
