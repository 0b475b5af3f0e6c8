import { rm } from 'node:fs/promises'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ComparedTable } from '../../src/model/row-comparison.ts'
import type { ComparingRequest, SnapshotReader } from '../../src/sources/source.ts'
import { makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import type { MergeEngine, MergeFixture } from '../helpers/merge-engines.ts'

const SHOP = `
  CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, note TEXT);
  CREATE TABLE likes (user_id INTEGER NOT NULL, post_id INTEGER NOT NULL, weight DOUBLE PRECISION, PRIMARY KEY (user_id, post_id));
  CREATE TABLE log (line TEXT);
  INSERT INTO users VALUES (1, 'ann@x', 'a'), (2, 'bob@x', NULL), (3, 'cyd@x', '');
  INSERT INTO likes VALUES (1, 1, 0.5), (1, 2, 1), (2, 1, 2);
  INSERT INTO log VALUES ('in'), ('in'), ('out'), (NULL), ('');`

/** What a comparison of rows promises, whatever the engine. `name`: a table as this engine's manifests have it. */
export function describeCompareContract(engine: MergeEngine, name = (table: string): string => table): void {
  describe(`compare contract: ${engine.kind}`, () => {
    let dir = ''
    let fixture: MergeFixture

    beforeEach(async () => {
      dir = await makeTempDir(`lb-compare-${engine.kind}-`)
    })
    afterEach(async () => {
      await fixture.close()
      await removeDir(dir)
    })

    const start = async (schema = SHOP): Promise<void> => {
      fixture = await engine.make(dir, schema)
    }
    const compare = async (more: Partial<ComparingRequest> & Pick<ComparingRequest, 'before'>) => {
      const context = await makeContext(dir)
      try {
        const compared = await fixture.source.comparing?.compare({ ...context, after: { target: undefined }, ...more })
        return new Map((compared ?? []).map(table => [table.table, table]))
      } finally {
        await rm(context.scratchDir, { recursive: true })
      }
    }
    const withNow = (snapshot: SnapshotReader, more: Partial<ComparingRequest> = {}) =>
      compare({ before: { snapshot }, ...more })
    const counts = (table: ComparedTable | undefined) =>
      table && [table.by, table.onlyBefore, table.onlyAfter, table.changed, table.rowsBefore, table.rowsAfter]

    it('finds nothing where nothing changed, and leaves the database as it is', async () => {
      await start()
      const snapshot = await fixture.backup()
      const state = await fixture.state()
      const compared = await withNow(snapshot, { listRows: 5 })
      expect([...compared.values()].map(table => [table.table, ...(counts(table) ?? []), table.listed])).toEqual([
        [name('likes'), 'key', 0, 0, 0, 3, 3, []],
        [name('log'), 'row', 0, 0, 0, 5, 5, []],
        [name('users'), 'key', 0, 0, 0, 3, 3, []],
      ])
      expect(await fixture.state()).toEqual(state)
    })

    it('counts what is only there, what is only here, and what changed', async () => {
      await start()
      const snapshot = await fixture.backup()
      await fixture.exec(`UPDATE users SET email = upper(email); DELETE FROM users WHERE id = 2;
        INSERT INTO users VALUES (4, 'dan@x', NULL), (5, 'eve@x', NULL);
        DELETE FROM likes; DELETE FROM log WHERE line = 'out'; INSERT INTO log VALUES ('in'), (NULL)`)
      const compared = await withNow(snapshot)
      expect(counts(compared.get(name('users')))).toEqual(['key', 1, 2, 2, 3, 4])
      expect(counts(compared.get(name('likes')))).toEqual(['key', 3, 0, 0, 3, 0])
      expect(counts(compared.get(name('log')))).toEqual(['row', 1, 2, 0, 5, 6])
    })

    it('compares two snapshots, and what is live on either side', async () => {
      await start()
      const first = await fixture.backup()
      await fixture.exec(`UPDATE users SET note = 'n' WHERE id = 1; DELETE FROM log`)
      const second = await fixture.backup()
      await fixture.exec('DELETE FROM users')
      const between = await compare({ before: { snapshot: first }, after: { snapshot: second } })
      expect(counts(between.get(name('users')))).toEqual(['key', 0, 0, 1, 3, 3])
      expect(counts(between.get(name('log')))).toEqual(['row', 5, 0, 0, 5, 0])
      const backwards = await compare({ before: { target: undefined }, after: { snapshot: first } })
      expect(counts(backwards.get(name('users')))).toEqual(['key', 0, 3, 0, 0, 3])
    })

    it('tells NULL from an empty text and the smallest difference of a number', async () => {
      await start()
      const snapshot = await fixture.backup()
      await fixture.exec(`UPDATE users SET note = '' WHERE id = 2; UPDATE users SET note = NULL WHERE id = 3;
        UPDATE likes SET weight = 0.5000000000000001 WHERE post_id = 1 AND user_id = 1`)
      const compared = await withNow(snapshot, { listRows: 5 })
      expect(compared.get(name('users'))?.listed).toEqual([
        {
          change: 'changed',
          key: [{ column: 'id', value: '2' }],
          columns: [{ column: 'note', before: null, after: '' }],
        },
        {
          change: 'changed',
          key: [{ column: 'id', value: '3' }],
          columns: [{ column: 'note', before: '', after: null }],
        },
      ])
      expect(compared.get(name('likes'))?.listed).toEqual([
        {
          change: 'changed',
          key: [
            { column: 'user_id', value: '1' },
            { column: 'post_id', value: '1' },
          ],
          columns: [{ column: 'weight', before: '0.5', after: '0.5000000000000001' }],
        },
      ])
    })

    it('lists no more rows of each kind than asked for, of the chosen tables alone', async () => {
      await start()
      const snapshot = await fixture.backup()
      await fixture.exec(`UPDATE users SET note = 'same'; DELETE FROM log; INSERT INTO log VALUES ('x'), ('x'), ('y')`)
      const compared = await withNow(snapshot, { listRows: 2, selects: table => table !== name('likes') })
      expect([...compared.keys()]).toEqual([name('log'), name('users')])
      expect(compared.get(name('users'))?.listed?.map(row => row.change)).toEqual(['changed', 'changed'])
      const log = compared.get(name('log'))
      expect(counts(log)).toEqual(['row', 5, 3, 0, 5, 3])
      expect(log?.listed?.map(row => row.change)).toEqual(['only-before', 'only-before', 'only-after', 'only-after'])
      expect(log?.listed?.[2]).toEqual({ change: 'only-after', key: [], columns: [{ column: 'line', after: 'x' }] })
    })

    it('cuts long values, and tells two apart that differ further on', async () => {
      await start()
      const long = 'x'.repeat(200_000)
      await fixture.exec(`UPDATE users SET note = '${long}1'`)
      const snapshot = await fixture.backup()
      await fixture.exec(
        `UPDATE users SET note = '${long}2' WHERE id = 1; UPDATE users SET note = '${long}' WHERE id = 2`,
      )
      const compared = await withNow(snapshot, { listRows: 5 })
      const columns = compared.get(name('users'))?.listed?.flatMap(row => row.columns) ?? []
      expect(columns.map(({ before, after }) => [before?.slice(-40), after?.slice(-40)])).toEqual([
        [expect.stringContaining('different further on'), expect.stringContaining('different further on')],
        [expect.stringContaining('(200001 bytes)'), expect.stringContaining('(200000 bytes)')],
      ])
      expect(Math.max(...columns.map(({ before }) => before?.length ?? 0))).toBeLessThan(1000)
    })

    it('compares the columns that both have, and names the others', async () => {
      await start()
      const snapshot = await fixture.backup()
      await fixture.exec(`ALTER TABLE users RENAME COLUMN note TO remark; ALTER TABLE users ADD COLUMN age INTEGER;
        UPDATE users SET age = 7; UPDATE users SET email = 'new' WHERE id = 1; ALTER TABLE log RENAME TO lines;
        CREATE TABLE fresh (a INTEGER); INSERT INTO fresh VALUES (1), (2)`)
      const compared = await withNow(snapshot)
      expect(counts(compared.get(name('users')))).toEqual(['key', 0, 0, 1, 3, 3])
      expect(compared.get(name('users'))).toMatchObject({
        columnsOnlyBefore: ['note'],
        columnsOnlyAfter: ['remark', 'age'],
      })
      expect(compared.get(name('log'))).toMatchObject({ presence: 'before', onlyBefore: 5, rowsAfter: 0 })
      expect(compared.get(name('fresh'))).toMatchObject({ presence: 'after', onlyAfter: 2, rowsBefore: 0 })
    })

    it('compares by whole rows where the keys of the two sides are not the same', async () => {
      await start()
      const snapshot = await fixture.backup()
      await fixture.exec(`DROP TABLE likes; CREATE TABLE likes (user_id INTEGER, post_id INTEGER PRIMARY KEY, weight DOUBLE PRECISION);
        INSERT INTO likes VALUES (1, 1, 0.5), (1, 2, 7)`)
      expect(counts((await withNow(snapshot)).get(name('likes')))).toEqual(['row', 2, 1, 0, 3, 2])
    })

    it('takes names of any kind', async () => {
      const odd = `"my ""odd"" Table; DROP TABLE x"`
      await start(`CREATE TABLE ${odd} ("a ""key""" INTEGER PRIMARY KEY, "select" TEXT, "ünï'" TEXT);
        INSERT INTO ${odd} VALUES (1, 'a', 'b'), (2, 'a', 'b')`)
      const snapshot = await fixture.backup()
      await fixture.exec(`UPDATE ${odd} SET "select" = 'c' WHERE "a ""key""" = 2`)
      const [table] = [...(await withNow(snapshot, { listRows: 3 })).values()]
      expect(counts(table)).toEqual(['key', 0, 0, 1, 2, 2])
      expect(table?.listed?.[0]).toEqual({
        change: 'changed',
        key: [{ column: 'a "key"', value: '2' }],
        columns: [{ column: 'select', before: 'a', after: 'c' }],
      })
    })

    it('agrees with a model that holds all rows in memory', async () => {
      await start(
        'CREATE TABLE keyed (k INTEGER PRIMARY KEY, v TEXT, w DOUBLE PRECISION); CREATE TABLE bag (v TEXT, w DOUBLE PRECISION)',
      )
      const value = fc.constantFrom('NULL', "''", "'a'", "'A'", "'a '", "'\t'", "'\\'", "'\\N'")
      const number = fc.constantFrom('NULL', '0', '1', '1.5', '-1e300')
      const row = fc.tuple(fc.integer({ min: 1, max: 12 }), value, number)
      const rows = fc.uniqueArray(row, { selector: ([key]) => key, maxLength: 12 })
      await fc.assert(
        fc.asyncProperty(rows, rows, async (before, after) => {
          await fill(fixture, before)
          const snapshot = await fixture.backup()
          await fill(fixture, after)
          const compared = await withNow(snapshot)
          expect(counts(compared.get(name('keyed')))?.slice(1)).toEqual(keyedModel(before, after))
          expect(counts(compared.get(name('bag')))?.slice(1)).toEqual(bagModel(before, after))
        }),
        { numRuns: 12 },
      )
    })
  })
}

type ModelRow = readonly [key: number, value: string, weight: string]

async function fill(fixture: MergeFixture, rows: readonly ModelRow[]): Promise<void> {
  const keyed = rows.map(([key, value, weight]) => `INSERT INTO keyed VALUES (${key}, ${value}, ${weight})`)
  const bag = rows.map(([, value, weight]) => `INSERT INTO bag VALUES (${value}, ${weight})`)
  await fixture.exec(['DELETE FROM keyed; DELETE FROM bag', ...keyed, ...bag].join(';'))
}

function keyedModel(before: readonly ModelRow[], after: readonly ModelRow[]): number[] {
  const there = new Map(before.map(([key, ...values]) => [key, values.join()]))
  const here = new Map(after.map(([key, ...values]) => [key, values.join()]))
  const gone = before.filter(([key]) => !here.has(key)).length
  const came = after.filter(([key]) => !there.has(key)).length
  const changed = after.filter(([key, ...values]) => there.has(key) && there.get(key) !== values.join()).length
  return [gone, came, changed, before.length, after.length]
}

function bagModel(before: readonly ModelRow[], after: readonly ModelRow[]): number[] {
  const left = before.map(([, ...values]) => values.join())
  const came = after.filter(([, ...values]) => {
    const at = left.indexOf(values.join())
    if (at >= 0) left.splice(at, 1)
    return at < 0
  })
  return [left.length, came.length, 0, before.length, after.length]
}
