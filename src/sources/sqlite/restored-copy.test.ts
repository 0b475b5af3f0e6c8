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
  return (await query?.({ sql, limit: 1, timeoutMs })) ?? { problem: 'no query' }
}

it('gives what the statement gives, and says what is wrong with it', async () => {
  expect(await ask('SELECT id AS user FROM users')).toEqual({ columns: ['user'], rows: [[1n]], more: true })
  expect(await ask('SELECT missing FROM users')).toEqual({ problem: 'no such column: missing' })
  expect(await ask('DELETE FROM users')).toEqual({ problem: expect.stringContaining('only statements that read') })
  expect(await ask('SELECT count(*) FROM users')).toMatchObject({ rows: [[3n]] })
})

it('ends a statement whose time is over', async () => {
  const endless = 'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n'
  expect(await ask(endless, 200)).toEqual({ problem: 'no answer within 0.2 s' })
})
