import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { describeCompareContract } from '../../../../test/contracts/compare-contract.ts'
import { BusyWriter } from '../../../../test/helpers/busy-writer.ts'
import { drain, makeContext, makeTempDir, removeDir } from '../../../../test/helpers/drained-snapshot.ts'
import { sqliteEngine } from '../../../../test/helpers/merge-engines.ts'
import type { ComparedTable } from '../../../model/row-comparison.ts'
import type { ComparingRequest, SnapshotReader } from '../../source.ts'
import { SqliteSource } from '../sqlite-source.ts'

describeCompareContract(sqliteEngine)

describe('comparing rows of SQLite', () => {
  let dir = ''
  let path = ''
  beforeEach(async () => {
    dir = await makeTempDir()
    path = join(dir, 'app.db')
  })
  afterEach(() => removeDir(dir))

  const source = (): SqliteSource => new SqliteSource('app', { path }, { baseDir: dir })
  const exec = (sql: string, open = new DatabaseSync(path)): void => {
    open.exec(sql)
    open.close()
  }
  const backUp = async (schema: string): Promise<SnapshotReader> => {
    exec(schema)
    return (await drain(source(), dir)).reader
  }
  const compare = async (snapshot: SnapshotReader, more: Partial<ComparingRequest> = {}) => {
    const context = await makeContext(dir)
    const after = { target: undefined }
    return await source().comparing.compare({ ...context, before: { snapshot }, after, ...more })
  }
  const counts = ({ by, onlyBefore, onlyAfter, changed }: ComparedTable) => [by, onlyBefore, onlyAfter, changed]

  it('tells values apart that SQLite holds for equal', async () => {
    const pairs = [
      ['1', '1.0'],
      ['1', `'1'`],
      [`'a'`, `x'61'`],
      ['0.0', '-0.0'],
      ['9007199254740992', '9007199254740993'],
      ['1e999', '-1e999'],
      [`CAST(x'610062' AS TEXT)`, `CAST(x'610063' AS TEXT)`],
      [`CAST(x'ff' AS TEXT)`, `CAST(x'fe' AS TEXT)`],
      [`'a'`, `'A'`],
    ] as const
    const rows = (side: 0 | 1): string => pairs.map((pair, id) => `(${id}, ${pair[side]})`).join(', ')
    const snapshot = await backUp(`CREATE TABLE v (id INTEGER PRIMARY KEY, x COLLATE NOCASE);
      CREATE TABLE bag (x COLLATE NOCASE); INSERT INTO v VALUES ${rows(0)}; INSERT INTO bag SELECT x FROM v`)
    exec(`DELETE FROM v; DELETE FROM bag; INSERT INTO v VALUES ${rows(1)}; INSERT INTO bag SELECT x FROM v`)
    const [bag, keyed] = await compare(snapshot, { listRows: 20 })
    expect(keyed && counts(keyed)).toEqual(['key', 0, 0, pairs.length])
    expect(bag && counts(bag)).toEqual(['row', pairs.length, pairs.length, 0])
    expect(keyed?.listed?.slice(0, 4).map(({ columns }) => columns[0])).toEqual([
      { column: 'x', before: '1 (integer)', after: '1 (real)' },
      { column: 'x', before: '1 (integer)', after: '1 (text)' },
      { column: 'x', before: 'a', after: `x'61'` },
      { column: 'x', before: '0', after: '-0.0' },
    ])
  })

  it('matches keys as their collation does, wherever the row stands', async () => {
    const snapshot = await backUp(`CREATE TABLE n (k TEXT COLLATE NOCASE NOT NULL PRIMARY KEY, v);
      CREATE TABLE w (k TEXT COLLATE NOCASE, l INTEGER, v, PRIMARY KEY (k, l)) WITHOUT ROWID;
      CREATE TABLE t (k TEXT NOT NULL PRIMARY KEY, v);
      INSERT INTO n VALUES ('ann', 1), ('bob', 2), ('cyd', 3);
      INSERT INTO w VALUES ('ann', 1, 1), ('ann', 2, 2), ('bob', 1, 3);
      INSERT INTO t VALUES ('a', 1), ('b', 2), ('c', 3)`)
    exec(`UPDATE n SET k = 'ANN' WHERE v = 1; UPDATE w SET k = 'ANN' WHERE v = 1; DELETE FROM w WHERE v = 3;
      CREATE TABLE u AS SELECT * FROM t; DELETE FROM t; INSERT INTO t SELECT * FROM u ORDER BY k DESC; DROP TABLE u;
      UPDATE t SET v = 9 WHERE k = 'b'`)
    const [n, t, w] = await compare(snapshot)
    expect(n && counts(n)).toEqual(['key', 0, 0, 1])
    expect(t && counts(t)).toEqual(['key', 0, 0, 1])
    expect(w && counts(w)).toEqual(['key', 1, 0, 1])
  })

  it('counts rows without a key as a whole, beside those that have one', async () => {
    const snapshot = await backUp(`CREATE TABLE t (k TEXT PRIMARY KEY, v);
      INSERT INTO t VALUES ('a', 1), (NULL, 1), (NULL, 1), (NULL, 2)`)
    exec(`UPDATE t SET v = 5 WHERE k = 'a'; DELETE FROM t WHERE v = 2; INSERT INTO t VALUES (NULL, 3), (NULL, 1)`)
    const [table] = await compare(snapshot, { listRows: 9 })
    expect(table && counts(table)).toEqual(['key', 1, 2, 1])
    expect(table?.listed?.map(({ change, key }) => [change, key])).toEqual([
      ['changed', [{ column: 'k', value: 'a' }]],
      ['only-before', []],
      ['only-after', []],
      ['only-after', []],
    ])
  })

  it('leaves out computed columns, and names what only the application can read', async () => {
    const own = new DatabaseSync(path)
    own.function('twice', { deterministic: true }, value => Number(value) * 2)
    exec(
      `CREATE TABLE t (id INTEGER PRIMARY KEY, a, b AS (a + 1), c AS (a + 2) STORED, d AS (twice(a)));
       INSERT INTO t (id, a) VALUES (1, 1), (2, 2);
       CREATE VIRTUAL TABLE docs USING fts5(body); INSERT INTO docs VALUES ('one'), ('two');
       CREATE VIRTUAL TABLE words USING fts5(body, content=''); INSERT INTO words VALUES ('one');
       CREATE VIEW shown AS SELECT * FROM t`,
      own,
    )
    const snapshot = (await drain(source(), dir)).reader
    exec(`UPDATE docs SET body = 'three' WHERE rowid = 2`)
    const compared = await compare(snapshot)
    expect(compared.map(table => [table.table, ...counts(table), table.problem])).toEqual([
      ['docs', 'key', 0, 0, 1, undefined],
      ['t', 'key', 0, 0, 0, undefined],
      ['words', 'row', 0, 0, 0, 'only the application can read its rows'],
    ])
  })

  it.each(['WAL', 'DELETE'])('changes no byte of the database: %s', async mode => {
    const snapshot = await backUp(`PRAGMA journal_mode = ${mode}; CREATE TABLE t (a); INSERT INTO t VALUES (1)`)
    const own = new DatabaseSync(path)
    own.exec('INSERT INTO t VALUES (2)')
    const files = ['', ...(mode === 'WAL' ? ['-wal'] : [])].map(end => path + end)
    const before = files.map(file => readFileSync(file).toString('base64'))
    expect((await compare(snapshot)).map(counts)).toEqual([['row', 0, 1, 0]])
    expect(files.map(file => readFileSync(file).toString('base64'))).toEqual(before)
    own.close()
  })

  it.each(['WAL', 'DELETE'])('keeps no writer waiting, and sees nothing of what comes meanwhile: %s', async mode => {
    const snapshot = await backUp(`PRAGMA journal_mode = ${mode}; CREATE TABLE t (a); INSERT INTO t VALUES (1)`)
    const own = new DatabaseSync(path, { timeout: 0 })
    const write = (): void => own.exec('INSERT INTO t VALUES (2)')
    expect((await compare(snapshot, { onTable: write })).map(counts)).toEqual([['row', 0, 0, 0]])
    expect((await compare(snapshot)).map(counts)).toEqual([['row', 0, 1, 0]])
    own.close()
  })

  it('sees one instant of a database that is written to all the time', async () => {
    const writer = await BusyWriter.start(path)
    try {
      const snapshot = (await drain(source(), dir)).reader
      for (let round = 0; round < 3; round++) {
        const compared = new Map((await compare(snapshot, { listRows: 1 })).map(table => [table.table, table]))
        // In each whole state it holds the number of moves.
        const state = compared.get('state')?.listed?.find(({ change }) => change === 'only-after')
        expect(state?.columns).toEqual([{ column: 'n', after: String(compared.get('moves')?.rowsAfter) }])
        expect(compared.get('moves')).toMatchObject({ onlyBefore: 0, changed: 0 })
      }
    } finally {
      await writer.stop()
    }
  })

  it('refuses what holds no rows', async () => {
    exec('CREATE TABLE t (a)')
    const { reader } = await drain(source(), dir, { type: 'schema' })
    await expect(compare(reader)).rejects.toMatchObject({ code: 'unsupported' })
    const whole = (await drain(source(), dir)).reader
    rmSync(path)
    await expect(compare(whole)).rejects.toMatchObject({ code: 'source-unreachable' })
  })
})
