import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  type DrainedSnapshot,
  drain,
  makeContext,
  makeTempDir,
  removeDir,
} from '../../../test/helpers/drained-snapshot.ts'
import type { ChangedTables } from '../source.ts'
import { SqliteSource } from './sqlite-source.ts'

/** What `lifeboat undo` asks of the adapter after a restore of tables: those go back, and nothing else does. */
let dir = ''
let path = ''
let backup: DrainedSnapshot

const SCHEMA = `
  CREATE TABLE customer (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL);
  CREATE TABLE purchase (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customer (id), total REAL);
  CREATE TABLE noted (what TEXT);
  CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT);
  CREATE VIRTUAL TABLE found USING fts5 (body, content = 'note', content_rowid = 'id');
  CREATE INDEX note_by_body ON note (body);
  CREATE TRIGGER note_ai AFTER INSERT ON note BEGIN INSERT INTO found (rowid, body) VALUES (new.id, new.body); END;
  CREATE TRIGGER note_ad AFTER DELETE ON note BEGIN
    INSERT INTO found (found, rowid, body) VALUES ('delete', old.id, old.body); INSERT INTO noted VALUES (old.body); END;
  INSERT INTO customer (email) VALUES ('a@x'), ('b@x');
  INSERT INTO purchase VALUES (1, 1, 1.5), (2, 2, 2.5);
  INSERT INTO note (body) VALUES ('lighthouse'), ('harbour');`

const source = (): SqliteSource => new SqliteSource('app', { path: 'app.db' }, { baseDir: dir })

beforeEach(async () => {
  dir = await makeTempDir()
  path = join(dir, 'app.db')
  change(SCHEMA)
  backup = await drain(source(), dir)
})
afterEach(() => removeDir(dir))

function change(sql: string): void {
  const db = new DatabaseSync(path, { enableForeignKeyConstraints: false })
  db.exec(sql)
  db.close()
}

function rows(sql: string): unknown[] {
  const db = new DatabaseSync(path)
  try {
    return db
      .prepare(sql)
      .all()
      .map(row => Object.values(row).join())
  } finally {
    db.close()
  }
}

const objects = (): unknown[] => rows('SELECT type, name FROM sqlite_schema ORDER BY 1, 2')

interface Done {
  readonly tables: ChangedTables
  readonly safety: DrainedSnapshot
}

/** As the guard does it: what is held is made safe, what it announced is noted. */
async function restore(snapshot: DrainedSnapshot, tables: readonly string[], takeAway?: Done): Promise<Done> {
  let done: Done | undefined
  await source().restore({
    ...(await makeContext(dir)),
    snapshot: snapshot.reader,
    target: path,
    force: true,
    delta: false,
    checks: true,
    include: [],
    selection: { tables },
    takeAway: takeAway?.tables.created,
    beforeChange: async ({ hold }) => {
      const held = await hold?.()
      if (held?.tables === undefined) throw new Error('it does not say what it changes')
      done = { tables: held.tables, safety: await drain(source(), dir) }
    },
  })
  if (done === undefined) throw new Error('it was not announced')
  return done
}

const undo = (done: Done): Promise<Done> => restore(done.safety, done.tables.changed, done)

it('takes back the rows of the tables alone, and is undone in turn', async () => {
  change("DELETE FROM note WHERE id = 1; INSERT INTO note VALUES (1, 'wrong'), (3, 'later')")
  const [before, noted] = [rows('SELECT * FROM note'), rows('SELECT * FROM noted')]
  const done = await restore(backup, ['note'])
  expect(done.tables).toEqual({ changed: ['note'], created: [] })
  change("INSERT INTO customer (email) VALUES ('since@x'); INSERT INTO note VALUES (7, 'since')")
  const restored = rows('SELECT * FROM note')
  const undone = await undo(done)
  expect([rows('SELECT * FROM note'), rows('SELECT * FROM noted')]).toEqual([before, noted])
  expect(rows('SELECT email FROM customer')).toEqual(['a@x', 'b@x', 'since@x'])
  expect(rows("SELECT rowid FROM found ('later')")).toEqual(['3'])
  expect(rows("SELECT rowid FROM found ('since OR harbour OR lighthouse')")).toEqual(['2'])
  await undo(undone)
  expect(rows('SELECT * FROM note')).toEqual(restored)
  expect(rows('SELECT email FROM customer')).toEqual(['a@x', 'b@x', 'since@x'])
  expect(rows("SELECT rowid FROM found ('since')")).toEqual(['7'])
})

it.each([
  ['a table, with what hangs on it', 'DROP TABLE note', ['note']],
  ['an index and a trigger of a table that is there', 'DROP INDEX note_by_body; DROP TRIGGER note_ad', ['note']],
  ['a search index', 'DROP TABLE found', ['found', 'note']],
  ['all of them', 'DROP TABLE found; DROP TABLE note; DROP TABLE customer', ['found', 'note', 'customer']],
])('drops what it made: %s', async (_, gone, tables) => {
  const whole = objects()
  change(gone)
  const [before, customers] = [objects(), rows("SELECT count(*) FROM sqlite_schema WHERE name = 'customer'")]
  const done = await restore(backup, tables)
  expect(objects()).toEqual(whole)
  change('INSERT INTO purchase VALUES (9, 1, 9)')
  const undone = await undo(done)
  expect([objects(), rows("SELECT count(*) FROM sqlite_schema WHERE name = 'customer'")]).toEqual([before, customers])
  expect(rows('SELECT count(*) FROM purchase')).toEqual(['3'])
  await undo(undone)
  expect([objects(), rows('SELECT count(*) FROM note')]).toEqual([whole, ['2']])
})

it('keeps what was added to the schema since', async () => {
  change('DELETE FROM note')
  const done = await restore(backup, ['note'])
  change(
    "ALTER TABLE note ADD COLUMN mood TEXT DEFAULT 'calm'; CREATE INDEX note_by_mood ON note (mood); CREATE TABLE fresh (x); INSERT INTO fresh VALUES (1); CREATE TRIGGER note_au AFTER UPDATE ON note BEGIN INSERT INTO noted VALUES ('u'); END",
  )
  const since = objects()
  await undo(done)
  expect([objects(), rows('SELECT count(*) FROM note'), rows('SELECT * FROM fresh')]).toEqual([since, ['0'], ['1']])
})

it('refuses where rows written since need what the restore brought, and changes nothing', async () => {
  change('DELETE FROM purchase WHERE customer = 2; DELETE FROM customer WHERE id = 2')
  const done = await restore(backup, ['customer'])
  change('INSERT INTO purchase VALUES (5, 2, 5)')
  await expect(undo(done)).rejects.toMatchObject({
    code: 'target-invalid',
    hint: expect.stringContaining('written since'),
  })
  expect(rows('SELECT id FROM customer')).toEqual(['1', '2'])
  change('DELETE FROM purchase WHERE id = 5')
  await undo(done)
  expect(rows('SELECT id FROM customer')).toEqual(['1'])
})

it('takes a foreign key back to as broken as it was', async () => {
  change('DELETE FROM customer WHERE id = 2')
  const done = await restore(backup, ['customer'])
  await undo(done)
  expect(rows('SELECT id FROM customer')).toEqual(['1'])
})
