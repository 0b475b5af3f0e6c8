import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { mergeReportTables, mergeSummary } from '../../src/operations/merge/report.ts'
import { makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { type MergeFixture, sqliteEngine } from '../helpers/merge-engines.ts'

const CHINOOK = join(import.meta.dirname, '../../examples/chinook/Chinook_Sqlite.sqlite')
const EVERYTHING = join(import.meta.dirname, '../fixtures/sqlite-everything.sql')

describe('merging samples', () => {
  let dir = ''
  let fixture: MergeFixture

  beforeEach(async () => {
    dir = await makeTempDir('lb-merge-sample-')
  })
  afterEach(async () => {
    await fixture.close()
    await removeDir(dir)
  })

  it('brings back what is gone from Chinook, beside what is new', async () => {
    const copy = join(dir, 'chinook.db')
    copyFileSync(CHINOOK, copy)
    fixture = await sqliteEngine.make(dir, '')
    await fixture.exec(`VACUUM`)
    await adopt(fixture, copy)
    const whole = await fixture.state()
    const backup = await fixture.backup()
    const unchanged = await fixture.merge(backup)
    expect(unchanged.changed).toBe(false)
    expect(await fixture.state()).toEqual(whole)
    await fixture.exec(`DELETE FROM PlaylistTrack WHERE TrackId > 1000; DELETE FROM InvoiceLine; DELETE FROM Invoice;
      DELETE FROM Customer WHERE CustomerId % 2 = 0; DELETE FROM Employee`)
    const result = await fixture.merge(backup)
    expect(result.tables.reduce((sum, table) => sum + table.skipped + table.remapped, 0)).toBe(0)
    expect(await fixture.state()).toEqual(whole)
    expect((await fixture.merge(backup)).changed).toBe(false)
    // The same customers under other ids, and others under theirs.
    await fixture.exec(`DELETE FROM InvoiceLine; DELETE FROM Invoice; DELETE FROM Customer;
      INSERT INTO Customer (CustomerId, FirstName, LastName, Email) VALUES (1, 'New', 'One', 'new@example.com'),
        (500, 'Luís', 'Gonçalves', 'luisg@embraer.com.br')`)
    const rules = { tables: { Customer: { key: ['Email'] } } }
    const merged = await fixture.merge(backup, rules)
    const customers = merged.tables.find(table => table.table === 'Customer')
    expect(customers).toMatchObject({ rows: 59, added: 58, matched: 1, remapped: 1, skipped: 0 })
    expect(await fixture.violations()).toBe(0)
    const totals = await fixture.rows(`SELECT CustomerId AS id, count(*) AS n FROM Invoice
      WHERE CustomerId IN (1, 500) GROUP BY 1`)
    expect(totals).toEqual([{ id: '500', n: '7' }])
    expect(mergeSummary(merged)).toMatch(/^\d+ rows added, 0 updated, \d+ were there already, in 11 tables$/)
    expect(mergeReportTables(merged)[0]?.rows.map(row => row[0])).toContain('Customer')
  })

  it('keeps every value as it is: wide integers, blobs, text with zeros, types that do not fit', async () => {
    fixture = await sqliteEngine.make(dir, readFileSync(EVERYTHING, 'utf8'))
    await fixture.exec('DROP TABLE notes; DROP TABLE article_search; DROP TRIGGER articles_ai; DROP TABLE old_search')
    await fixture.exec('DROP TABLE boxes; DELETE FROM audit')
    const rules = {
      tables: {
        plain: { key: ['e', 'b'] },
        gaps: { key: ['v'] },
        shadowed: { key: ['oid'] },
        strict_one: { key: ['x'] },
        computed: { key: ['w'] },
        'weird "name", \'yes\'': { key: ['a b'] },
        audit: { skip: true },
      },
    }
    const whole = await plainRows(fixture)
    const backup = await fixture.backup()
    expect((await fixture.merge(backup, rules)).changed).toBe(false)
    for (const name of [
      'plain',
      'gaps',
      'shadowed',
      'keyed',
      'pairs',
      'strict_one',
      'computed',
      'children',
      'parents',
    ]) {
      await fixture.exec(`DELETE FROM ${name}`)
    }
    await fixture.exec(`DELETE FROM "weird ""name"", 'yes'"; DELETE FROM articles`)
    const result = await fixture.merge(backup, rules)
    expect(result.tables.map(table => table.rows - table.added)).toEqual(result.tables.map(() => 0))
    expect(await plainRows(fixture)).toEqual(whole)
    expect((await fixture.merge(backup, rules)).changed).toBe(false)
  })

  it('compares as the column does, and leaves partial unique keys to the database', async () => {
    fixture = await sqliteEngine.make(
      dir,
      `CREATE TABLE u (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT COLLATE NOCASE NOT NULL UNIQUE, nick TEXT, gone INTEGER);
       CREATE UNIQUE INDEX by_nick ON u (lower(nick)) WHERE gone IS NULL;
       CREATE TABLE p (id INTEGER PRIMARY KEY, owner TEXT COLLATE NOCASE NOT NULL REFERENCES u (email));
       INSERT INTO u VALUES (1, 'Ada@x', 'ada', NULL), (2, 'bob@x', 'bob', NULL), (3, 'cyd@x', 'cyd', 1);
       INSERT INTO p VALUES (1, 'ADA@x'), (2, 'bob@x')`,
    )
    const backup = await fixture.backup()
    await fixture.exec(`DELETE FROM p; DELETE FROM u; UPDATE sqlite_sequence SET seq = 40;
      INSERT INTO u VALUES (3, 'ADA@X', 'a', NULL), (1, 'eve@x', 'BOB', NULL)`)
    const result = await fixture.merge(backup, { tables: { u: { key: ['email'] } } })
    expect(result.tables[0]).toMatchObject({ added: 1, matched: 1, skipped: 1 })
    expect(result.tables[0]?.reasons).toMatchObject([{ why: 'unique-value-taken', rows: 1 }])
    expect(result.tables[1]).toMatchObject({ added: 1, skipped: 1 })
    // Numbers that were given once are not given again.
    expect(await fixture.rows('SELECT id, email FROM u ORDER BY id')).toEqual([
      { id: '1', email: 'eve@x' },
      { id: '3', email: 'ADA@X' },
      { id: '41', email: 'cyd@x' },
    ])
    expect(await fixture.rows('SELECT * FROM p')).toEqual([{ id: '1', owner: 'ADA@X' }])
    expect((await fixture.merge(backup, { tables: { u: { key: ['email'] } } })).changed).toBe(false)
  })

  it('lets readers go on', async () => {
    fixture = await sqliteEngine.make(dir, 'CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)')
    const backup = await fixture.backup()
    await fixture.exec('PRAGMA wal_checkpoint; DELETE FROM t')
    // Readers go on while rows are merged.
    const seen: unknown[] = []
    await fixture.merge(backup, {}, { onProgress: () => void seen.push(fixture.rows('SELECT count(*) AS n FROM t')) })
    expect((await Promise.all(seen)).at(-1)).toEqual([{ n: '0' }])
    expect(await fixture.rows('SELECT * FROM t')).toEqual([{ id: '1' }])
  })
})

/** Takes over the tables and rows of a database file. */
async function adopt(fixture: MergeFixture, path: string): Promise<void> {
  const other = new DatabaseSync(path, { readOnly: true })
  const objects = other
    .prepare(
      `SELECT name, type, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%' ORDER BY type DESC`,
    )
    .all()
  other.close()
  for (const each of objects) await fixture.exec(String(each['sql']))
  await fixture.exec(`ATTACH '${path}' AS other`)
  for (const each of objects.filter(object => object['type'] === 'table')) {
    await fixture.exec(`INSERT INTO main."${String(each['name'])}" SELECT * FROM other."${String(each['name'])}"`)
  }
  await fixture.exec('DETACH other')
}

/** Of the state, what a merge brings back: the rows, in any order, without what SQLite keeps for itself. */
async function plainRows(fixture: MergeFixture): Promise<unknown> {
  const { rows } = (await fixture.state()) as { rows: Record<string, unknown> }
  return Object.fromEntries(Object.entries(rows).filter(([name]) => !name.startsWith('sqlite_')))
}
