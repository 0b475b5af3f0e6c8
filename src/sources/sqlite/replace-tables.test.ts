import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeTempDir } from '../../../test/helpers/drained-snapshot.ts'
import { changeSql, IMPERFECT, makeDatabase, UNEVALUABLE } from '../../../test/helpers/imperfect-databases.ts'
import { judgeDatabase } from './integrity.ts'
import { beginTables, replaceTables } from './replace-tables.ts'
import type { ReplacedTables } from './replaced-table.ts'

let dir = ''
let path = ''
let from = ''

beforeEach(async () => {
  dir = await makeTempDir()
  path = join(dir, 'app.db')
  from = join(dir, 'backup.db')
})
afterEach(() => rmSync(dir, { recursive: true }))

/** Makes the database, keeps it as the backup, and then lets something happen to it. */
function make(sql: string, spoil: (db: DatabaseSync) => void, since: string): void {
  makeDatabase(path, sql, spoil)
  cpSync(path, from)
  makeDatabase(path, since)
}

function replace(...tables: string[]): ReplacedTables {
  const done = replaceTables(beginTables({ path, from, waitMs: 0 }), { from, tables })
  if ('refused' in done) throw new Error(`refused: ${done.subject}`)
  return done
}

function ask(sql: string, file = path): unknown[] {
  const db = new DatabaseSync(file)
  try {
    return db
      .prepare(sql)
      .all()
      .map(row => Object.values(row))
  } finally {
    db.close()
  }
}

const codes = (done: ReplacedTables): string[] => done.findings.map(({ code, subject }) => `${code} ${subject}`)

const NOTES = `
  CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT);
  CREATE TRIGGER note_ai AFTER INSERT ON note BEGIN INSERT INTO found (rowid, body) VALUES (new.id, new.body); END;
  CREATE TRIGGER note_ad AFTER DELETE ON note BEGIN
    INSERT INTO found (found, rowid, body) VALUES ('delete', old.id, old.body); END;`
const FIVE = "CREATE VIRTUAL TABLE found USING fts5 (body, content = 'note', content_rowid = 'id');"
const FOUR = `CREATE VIRTUAL TABLE found USING fts4 (content="note", body);`
const SAID = "INSERT INTO note (body) VALUES ('first lighthouse'), ('second harbour'), ('third lighthouse');"

describe('virtual tables', () => {
  it('builds an index over a replaced table again, once, and it finds what came back', () => {
    make(FIVE + NOTES + SAID, () => {}, "DELETE FROM note WHERE id < 3; INSERT INTO note VALUES (9, 'lighthouse')")
    expect(codes(replace('note'))).toEqual([])
    expect(ask("SELECT rowid FROM found WHERE found MATCH 'lighthouse'")).toEqual([[1], [3]])
    expect(() => ask("INSERT INTO found (found, rank) VALUES ('integrity-check', 1)")).not.toThrow()
  })

  it('does so for FTS4 and for an index over a view', () => {
    const view = `${NOTES.split(';')[1]}; CREATE VIEW shown AS SELECT id, body FROM note;
      CREATE VIRTUAL TABLE found USING fts5 (body, content = 'shown', content_rowid = 'id'); ${SAID}
      INSERT INTO found (found) VALUES ('rebuild');`
    const four = `CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT); ${FOUR} ${SAID} INSERT INTO found (found) VALUES ('rebuild')`
    for (const sql of [four, view.replace(/^/, 'CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT);')]) {
      rmSync(path, { force: true })
      make(sql.replace(/;\s*CREATE TRIGGER[^;]*;/, ';'), () => {}, 'DELETE FROM note WHERE id = 1')
      expect(codes(replace('note'))).toEqual([])
      expect(ask("SELECT rowid FROM found WHERE found MATCH 'lighthouse'")).toEqual([[1], [3]])
    }
  })

  it('brings an index back as it was that holds only a part of its table', () => {
    const partly = `${FIVE} CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT); ${SAID}
      INSERT INTO found (rowid, body) VALUES (1, 'first lighthouse')`
    make(partly, () => {}, "DELETE FROM note; INSERT INTO found (found) VALUES ('rebuild')")
    expect(codes(replace('note'))).toEqual([])
    expect(ask("SELECT rowid FROM found WHERE found MATCH 'lighthouse'")).toEqual([[1]])
  })

  it.each([
    [
      'fts5',
      'CREATE VIRTUAL TABLE v USING fts5 (body)',
      "INSERT INTO v (rowid, body) VALUES (3, 'alpha'), (7, 'beta')",
    ],
    [
      'fts4',
      'CREATE VIRTUAL TABLE v USING fts4 (body)',
      "INSERT INTO v (rowid, body) VALUES (3, 'alpha'), (7, 'beta')",
    ],
    [
      'fts3',
      'CREATE VIRTUAL TABLE v USING fts3 (body)',
      "INSERT INTO v (rowid, body) VALUES (3, 'alpha'), (7, 'beta')",
    ],
    [
      'rtree',
      'CREATE VIRTUAL TABLE v USING rtree (id, a, b, +name)',
      "INSERT INTO v VALUES (3, 1, 2, 'x'), (7, 2, 3, 'y')",
    ],
    [
      'geopoly',
      'CREATE VIRTUAL TABLE v USING geopoly (name)',
      "INSERT INTO v (rowid, _shape, name) VALUES (3, '[[0,0],[1,0],[0,1],[0,0]]', 'x')",
    ],
  ])('gives a %s table its rows back, that is there or gone', (_module, sql, rows) => {
    make(`${sql}; ${rows}`, () => {}, 'DELETE FROM v WHERE rowid = 3')
    const before = ask('SELECT rowid, * FROM v', from)
    expect(codes(replace('v'))).toEqual([])
    expect(ask('SELECT rowid, * FROM v')).toEqual(before)
    makeDatabase(path, 'DROP TABLE v')
    expect(replace().tables).toMatchObject([{ name: 'v', created: true }])
    expect(ask('SELECT rowid, * FROM v')).toEqual(before)
    expect(ask('PRAGMA integrity_check')).toEqual([['ok']])
  })

  it.each(["content = ''", "content = '', contentless_delete = 1"])(
    'copies an index without text (%s) whole',
    options => {
      make(
        `CREATE VIRTUAL TABLE v USING fts5 (body, ${options}); INSERT INTO v (rowid, body) VALUES (1, 'alpha'), (2, 'beta')`,
        () => {},
        "INSERT INTO v (rowid, body) VALUES (3, 'alpha')",
      )
      expect(codes(replace('v'))).toEqual([])
      expect(ask("SELECT rowid FROM v WHERE v MATCH 'alpha'")).toEqual([[1]])
      makeDatabase(path, 'DROP TABLE v')
      expect(codes(replace())).toEqual([])
      expect(ask("SELECT rowid FROM v WHERE v MATCH 'alpha'")).toEqual([[1]])
    },
  )

  it('copies what is behind a module that only the application has', () => {
    const spell = `CREATE TABLE words_vocab (id INTEGER PRIMARY KEY, word TEXT); INSERT INTO words_vocab VALUES (1, 'alpha');
      CREATE TABLE words_of_mine (id INTEGER REFERENCES words_vocab (id));
      PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES ('table', 'words', 'words', 0,
        'CREATE VIRTUAL TABLE words USING spellfix1'); PRAGMA writable_schema = RESET`
    make(spell, () => {}, 'DELETE FROM words_vocab; INSERT INTO words_of_mine VALUES (1)')
    replace('words')
    expect(ask('SELECT word FROM words_vocab')).toEqual([['alpha']])
    expect(ask('SELECT count(*) FROM words_of_mine')).toEqual([[1]])
    makeDatabase(
      path,
      "DROP TABLE words_vocab; PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'words'",
    )
    replace()
    expect(ask("SELECT name FROM sqlite_schema WHERE name LIKE 'words%' ORDER BY name")).toEqual([
      ['words'],
      ['words_of_mine'],
      ['words_vocab'],
    ])
  })

  it('brings back all of a database', () => {
    make(
      `${FIVE}${NOTES}${SAID} CREATE VIRTUAL TABLE own USING fts5 (body); INSERT INTO own VALUES ('alpha');
       CREATE VIRTUAL TABLE vocabulary USING fts5vocab (own, row); ANALYZE`,
      () => {},
      'DELETE FROM note; DELETE FROM own',
    )
    expect(codes(replace())).toEqual([])
    expect(ask("SELECT rowid FROM found WHERE found MATCH 'lighthouse'")).toEqual([[1], [3]])
    expect(ask("SELECT rowid FROM own WHERE own MATCH 'alpha'")).toEqual([[1]])
  })
})

describe('what was captured comes back', () => {
  it.each(IMPERFECT)('$what', ({ sql, spoil, found }) => {
    make(sql, spoil, '')
    const [table = ''] = (found.split(' ')[1] ?? '').split('_')
    const before = ask(`SELECT rowid, * FROM ${table}`, from)
    makeDatabase(path, `DELETE FROM ${table}`)
    replace(table)
    expect(ask(`SELECT rowid, * FROM ${table}`)).toEqual(before)
  })

  it.each(UNEVALUABLE.filter(({ what }) => !what.includes('collation') && !what.includes('UNIQUE')))(
    '$what: with what only the application can compute',
    ({ sql, spoil }) => {
      make(sql, spoil, '')
      makeDatabase(path, 'DELETE FROM t')
      expect(codes(replace('t'))).toEqual([])
      expect(ask('SELECT id, v FROM t')).toEqual([
        [1, 'A'],
        [2, 'b'],
      ])
      const db = new DatabaseSync(path)
      db.function('fold', { deterministic: true }, value => String(value).toLowerCase())
      expect(judgeDatabase(db, 'integrity_check')).toEqual([])
      db.close()
    },
  )

  it.each(UNEVALUABLE.filter(({ what }) => what.includes('UNIQUE') || what.includes('with an index')))(
    '$what: without the index, which is said',
    ({ sql, spoil }) => {
      make(`${sql}; CREATE INDEX plain ON t (id, v)`, spoil, '')
      makeDatabase(path, 'DELETE FROM t')
      const plain = ask('SELECT sql FROM sqlite_schema WHERE name = $1'.replace('$1', "'plain'"))
      expect(codes(replace('t'))).toContain('index-not-restored index i')
      expect(ask('SELECT id, v FROM t NOT INDEXED')).toHaveLength(2)
      expect([plain, []]).toContainEqual(ask("SELECT sql FROM sqlite_schema WHERE name = 'plain'"))
    },
  )

  it('but not what a rule of the living table forbids that is newer', () => {
    make('CREATE TABLE t (v INT); INSERT INTO t VALUES (-1)', () => {}, '')
    const db = new DatabaseSync(path, { defensive: false })
    changeSql(db, 't', 'v INT', 'v INT CHECK (v >= 0)')
    db.close()
    expect(() => replace('t')).toThrow('CHECK constraint failed')
    expect(ask('SELECT v FROM t')).toEqual([[-1]])
  })
})

describe('the hidden number of a row', () => {
  // A search index over these rows, as applications build them by hand, refers to it.
  it.each([
    ['a key of several columns, one of them an INTEGER', 'a INTEGER, b TEXT, PRIMARY KEY (a, b)'],
    ['an INTEGER key in falling order', 'a INTEGER PRIMARY KEY DESC, b TEXT'],
    ['a column called rowid', 'a TEXT PRIMARY KEY, rowid TEXT'],
  ])('comes back in a table that has grown a column, with %s', (_what, columns) => {
    make(
      `CREATE TABLE t (${columns}); INSERT INTO t (oid, a) VALUES (7, 1), (9, 2);`,
      () => {},
      'ALTER TABLE t ADD COLUMN since; DELETE FROM t; INSERT INTO t (a) VALUES (3)',
    )
    replace('t')
    expect(ask('SELECT oid, a FROM t ORDER BY oid')).toEqual(ask('SELECT oid, a FROM t ORDER BY oid', from))
  })
})
