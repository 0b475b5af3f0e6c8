import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type DrainedSnapshot,
  drain,
  makeContext,
  makeTempDir,
  removeDir,
} from '../../../test/helpers/drained-snapshot.ts'
import type { RestoreOutcome, RestoreRequest } from '../source.ts'
import { SqliteSource } from './sqlite-source.ts'

let dir = ''
let path = ''
let snapshot: DrainedSnapshot

/** A shop: keys, a trigger that notes each change, a full-text index by rowid, a counter, a table without rowid. */
const SCHEMA = `
  CREATE TABLE customer (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE);
  CREATE TABLE purchase (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customer (id), total REAL);
  CREATE INDEX purchase_by_customer ON purchase (customer);
  CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
  CREATE TABLE note (body TEXT, size INTEGER GENERATED ALWAYS AS (length(body)) STORED);
  CREATE TABLE noted (what TEXT);
  CREATE TRIGGER customer_gone AFTER DELETE ON customer BEGIN INSERT INTO noted VALUES (old.email); END;
  INSERT INTO customer (email) VALUES ('a@x'), ('b@x'), ('c@x');
  INSERT INTO purchase VALUES (1, 1, 1.5), (2, 3, 9007199254740993), (3, 3, NULL);
  INSERT INTO setting VALUES ('big', 9007199254740993), ('blob', x'00ff');
  INSERT INTO note (rowid, body) VALUES (7, 'seven'), (9, 'nine');`

const source = (): SqliteSource => new SqliteSource('app', { path: 'app.db' }, { baseDir: dir })

beforeEach(async () => {
  dir = await makeTempDir()
  path = join(dir, 'app.db')
  change(SCHEMA)
  snapshot = await drain(source(), dir)
})
afterEach(() => removeDir(dir))

function change(sql: string): void {
  const db = new DatabaseSync(path, { enableForeignKeyConstraints: false })
  db.exec(sql)
  db.close()
}

function rows(sql: string): unknown[] {
  const db = new DatabaseSync(path, { readOnly: true })
  try {
    const statement = db.prepare(sql)
    statement.setReadBigInts(true)
    return statement.all().map(row => Object.values(row))
  } finally {
    db.close()
  }
}

const ALL = ['customer', 'purchase', 'setting', 'note', 'noted']
const content = (): unknown[] => ALL.map(name => rows(`SELECT * FROM ${name} ORDER BY 1`))

async function restore(tables: string[], options: Partial<RestoreRequest> = {}): Promise<RestoreOutcome> {
  return await source().restore({
    ...(await makeContext(dir)),
    snapshot: snapshot.reader,
    target: path,
    force: true,
    delta: false,
    checks: true,
    include: [],
    selection: { tables },
    ...options,
  })
}

it('brings the rows of one table back, exactly, and fires no trigger', async () => {
  const before = content()
  change(
    "UPDATE setting SET value = 1; DELETE FROM setting WHERE name = 'blob'; UPDATE note SET body = 'changed'; DELETE FROM customer WHERE id = 2; DELETE FROM noted",
  )
  const outcome = await restore(['setting', 'note', 'customer'])
  expect(outcome.checks.map(({ name, found }) => [name, found])).toEqual([
    ['rows of setting', '2'],
    ['rows of note', '2'],
    ['rows of customer', '3'],
  ])
  expect(content()).toEqual(before)
  expect(rows('SELECT rowid, body FROM note')).toEqual([
    [7n, 'seven'],
    [9n, 'nine'],
  ])
  expect(rows("SELECT name FROM sqlite_schema WHERE type = 'trigger'")).toEqual([['customer_gone']])
})

it('brings a dropped table back with its indexes and triggers, and those that alone were dropped', async () => {
  const schema = rows('SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name')
  change('DROP TABLE purchase; DROP TRIGGER customer_gone')
  const outcome = await restore(['purchase', 'customer'])
  expect(rows('SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name')).toEqual(schema)
  expect(outcome.findings.map(({ code, subject }) => [code, subject])).toEqual([['table-created', 'purchase']])
})

it('never gives a number out again', async () => {
  change("INSERT INTO customer (email) VALUES ('d@x'), ('e@x')")
  await restore(['customer'])
  change("INSERT INTO customer (email) VALUES ('f@x')")
  expect(rows('SELECT max(id) FROM customer')).toEqual([[6n]])
})

it('says which columns one side lacks', async () => {
  change('ALTER TABLE setting ADD COLUMN since TEXT DEFAULT 5; ALTER TABLE purchase DROP COLUMN total')
  const outcome = await restore(['setting', 'purchase'])
  expect(outcome.findings.map(({ code, subject, message }) => [code, subject, message])).toEqual([
    ['schema-differs', 'setting.since', 'is not in the snapshot: it has its default'],
    ['schema-differs', 'purchase.total', 'is only in the snapshot: left out'],
  ])
  expect(rows("SELECT since FROM setting WHERE name = 'big'")).toEqual([['5']])
})

describe('changes nothing', () => {
  it('when a foreign key would be broken', async () => {
    change("INSERT INTO customer (email) VALUES ('d@x'); INSERT INTO purchase VALUES (4, 4, 1)")
    const before = content()
    await expect(restore(['customer'])).rejects.toMatchObject({
      code: 'target-invalid',
      message: expect.stringContaining('purchase -> customer'),
    })
    expect(content()).toEqual(before)
    await restore(['customer', 'purchase'])
  })

  it('when a row breaks a constraint that came since', async () => {
    change('DELETE FROM purchase; CREATE UNIQUE INDEX one_a_customer ON purchase (customer)')
    await expect(restore(['purchase'])).rejects.toMatchObject({
      code: 'target-invalid',
      message: expect.stringContaining('UNIQUE constraint failed: purchase.customer'),
    })
    expect(rows('SELECT count(*) FROM purchase')).toEqual([[0n]])
  })

  it('when there is no such table, no database, or no leave', async () => {
    const before = content()
    await expect(restore(['customers'])).rejects.toMatchObject({ code: 'not-found', hint: 'Did you mean "customer"?' })
    await expect(restore(['customer'], { target: join(dir, 'none.db') })).rejects.toMatchObject({
      code: 'target-invalid',
    })
    expect(existsSync(join(dir, 'none.db'))).toBe(false)
    await expect(restore(['customer'], { force: false })).rejects.toMatchObject({ code: 'target-exists' })
    const stop = restore(['customer'], { beforeChange: () => Promise.reject(new Error('not now')) })
    await expect(stop).rejects.toThrow('not now')
    expect(content()).toEqual(before)
  })
})

describe('a part of a whole snapshot', () => {
  it('is the schema, as a database or as text', async () => {
    const [db, sql] = [join(dir, 'schema.db'), join(dir, 'schema.sql')]
    await restore([], { target: db, selection: { part: 'schema' } })
    const made = new DatabaseSync(db, { readOnly: true })
    expect(made.prepare('SELECT count(*) AS n FROM customer').get()).toEqual({ n: 0 })
    made.close()
    await restore([], { target: sql, selection: { part: 'schema' } })
    expect(readFileSync(sql, 'utf8')).toContain('CREATE TRIGGER customer_gone')
  })

  it('is the rows, into the tables that are there or as text', async () => {
    const before = content()
    change('DELETE FROM noted; DELETE FROM purchase; UPDATE setting SET value = NULL')
    await restore([], { selection: { part: 'data' } })
    expect(content()).toEqual(before)
    const sql = join(dir, 'data.sql')
    await restore([], { target: sql, selection: { part: 'data' } })
    expect(readFileSync(sql, 'utf8')).toContain('9007199254740993')
  })
})
