import { DatabaseSync } from 'node:sqlite'
import { expect, it } from 'vitest'
import { dumpData, dumpSchema } from './dump.ts'

/** What a new database holds that was made from the text of another. */
function copy(sql: string, ask: string): unknown[][] {
  const [from, to] = [new DatabaseSync(':memory:'), new DatabaseSync(':memory:')]
  try {
    from.exec(sql)
    for (const piece of [...dumpSchema(from), ...dumpData(from)]) to.exec(Buffer.from(piece).toString())
    return [from, to].map(db => db.prepare(ask).all())
  } finally {
    from.close()
    to.close()
  }
}

it.each([
  ['no key', 'a, b'],
  ['a key of several columns, one of them an INTEGER', 'a INTEGER, b TEXT, PRIMARY KEY (a, b)'],
  ['an INTEGER key in falling order', 'a INTEGER PRIMARY KEY DESC, b TEXT'],
  ['a column called rowid', 'a TEXT PRIMARY KEY, rowid TEXT'],
  ['a generated column', 'a, b AS (a + 1), c AS (a + 2) STORED'],
])('keeps the hidden numbers of rows of a table with %s', (_what, columns) => {
  const [was, is] = copy(
    `CREATE TABLE t (${columns}); INSERT INTO t (oid, a) VALUES (7, 1), (9, 2)`,
    'SELECT oid AS n, a FROM t ORDER BY oid',
  )
  expect(was).toHaveLength(2)
  expect(is).toEqual(was)
})

it('writes rows of a table whose key is the number of the row', () => {
  const [was, is] = copy(
    'CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (7, 1); CREATE TABLE w (k PRIMARY KEY) WITHOUT ROWID; INSERT INTO w VALUES (1)',
    'SELECT a, b, k FROM t, w',
  )
  expect(was).toHaveLength(1)
  expect(is).toEqual(was)
})
