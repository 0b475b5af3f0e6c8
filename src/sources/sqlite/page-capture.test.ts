import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
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
import { SqliteProcess } from '../../../test/helpers/sqlite-process.ts'
import { systemClock } from '../../base/clock.ts'
import { AppError } from '../../base/errors.ts'
import { writeStandIn } from './seal.ts'
import { SqliteSource } from './sqlite-source.ts'

let dir = ''
let path = ''
const applications: SqliteProcess[] = []

beforeEach(async () => {
  dir = await makeTempDir()
  path = join(dir, 'app.db')
})

afterEach(async () => {
  for (const application of applications.splice(0)) await application.kill()
  await removeDir(dir)
})

const source = (name = 'app.db'): SqliteSource => new SqliteSource('app', { path: name }, { baseDir: dir })

function open(file = path): SqliteProcess {
  const application = new SqliteProcess(file)
  applications.push(application)
  return application
}

const bytesOf = (snapshot: DrainedSnapshot): Buffer => readFileSync(snapshot.entries[0]?.file ?? '')

/** Rows in random places, some pages freed, the file grown and cut. */
const churn = `
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
    INSERT INTO t (v) SELECT randomblob(700) FROM n;
  DELETE FROM t WHERE id % 3 = 0;
  UPDATE t SET v = randomblob(2000) WHERE id % 7 = 0;`

describe('capture of pages', () => {
  // Once the WAL is in the file, the file itself is what a capture of the same instant must have been.
  for (let pageSize = 512; pageSize <= 65_536; pageSize *= 2) {
    it(`is the file and its WAL, byte for byte, pages of ${pageSize}`, async () => {
      const application = open()
      await application.exec(`PRAGMA page_size = ${pageSize}; PRAGMA auto_vacuum = ${pageSize === 1024 ? 'FULL' : 'NONE'};
        PRAGMA encoding = '${pageSize === 2048 ? 'UTF-16be' : 'UTF-8'}';
        PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF;
        CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB); ${churn} PRAGMA wal_checkpoint(PASSIVE); ${churn}`)
      const snapshot = await drain(source(), dir, { bufferBytes: 100_003 })
      await application.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      expect(bytesOf(snapshot).equals(readFileSync(path))).toBe(true)
      expect(snapshot.manifest.database?.properties).toMatchObject({ pageSizeBytes: pageSize, journalMode: 'wal' })
    })
  }

  it('reads page numbers beyond the first blocks of the index', async () => {
    const application = open()
    await application.exec(`PRAGMA page_size = 512; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
      PRAGMA synchronous = OFF; CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)`)
    for (let i = 0; i < 12; i++) await application.exec(churn)
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(536 * 3 * 4096)
    const snapshot = await drain(source(), dir, { bufferBytes: 3 << 20 })
    await application.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    expect(bytesOf(snapshot).equals(readFileSync(path))).toBe(true)
  })

  it('neither checkpoints nor changes nor litters', async () => {
    await open().exec(
      'PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 2)',
    )
    const look = (): unknown[] =>
      readdirSync(dir)
        .filter(name => name.startsWith('app.db'))
        .map(name => [name, statSync(join(dir, name)).size, name.endsWith('-shm') || statSync(join(dir, name)).mtimeMs])
    const crashed = look()
    await applications[0]?.kill()
    await drain(source(), dir)
    expect(look()).toEqual(crashed)
    new DatabaseSync(path).close()
    const db = new DatabaseSync(path)
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    db.close()
    const closed = look()
    expect(closed).toHaveLength(1)
    for (const type of ['full', 'schema'] as const) await drain(source(), dir, { type })
    await source().probe(await makeContext(dir))
    expect(look()).toEqual(closed)
  })

  it('keeps bytes after the last page, and every byte with a rollback journal', async () => {
    const db = new DatabaseSync(path)
    db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 2)')
    db.close()
    writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from('tail')]))
    expect(bytesOf(await drain(source(), dir)).equals(readFileSync(path))).toBe(true)
  })

  it('tells tables, versions and modes', async () => {
    await open().exec(`PRAGMA user_version = 7; PRAGMA application_id = 42; CREATE TABLE b (x); CREATE TABLE a (x);
      INSERT INTO a VALUES (1), (2); CREATE VIEW v AS SELECT 1; CREATE VIRTUAL TABLE f USING fts5(t);
      CREATE TABLE c (id INTEGER PRIMARY KEY, name TEXT NOT NULL, twice TEXT AS (name || name));
      CREATE TABLE _prisma_migrations (migration_name TEXT, finished_at INTEGER);
      INSERT INTO _prisma_migrations VALUES ('2_users', 2), ('1_init', 1)`)
    const { manifest } = await drain(source(), dir)
    expect(manifest.database?.tables).toEqual([
      {
        name: '_prisma_migrations',
        rows: 2,
        columns: [
          { name: 'migration_name', type: 'TEXT' },
          { name: 'finished_at', type: 'INTEGER' },
        ],
      },
      { name: 'a', rows: 2, columns: [{ name: 'x', type: '' }] },
      { name: 'b', rows: 0, columns: [{ name: 'x', type: '' }] },
      {
        name: 'c',
        rows: 0,
        columns: [
          { name: 'id', type: 'INTEGER', key: true },
          { name: 'name', type: 'TEXT', notNull: true },
          { name: 'twice', type: 'TEXT' },
        ],
      },
      { name: 'f', rows: 0, columns: [{ name: 't', type: '' }] },
    ])
    expect(manifest.database?.schemaVersion).toBe('_prisma_migrations: 2_users')
    expect(manifest.database?.properties).toMatchObject({
      userVersion: 7,
      applicationId: 42,
      journalMode: 'delete',
      encoding: 'UTF-8',
      foreignKeyViolations: 0,
    })
    expect(manifest.engineVersion).toBe(`SQLite ${process.versions['sqlite']}`)
  })

  it('warns of the WAL-reset bug when it is probed, by the version of the last writer', async () => {
    const db = new DatabaseSync(path)
    db.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x)')
    db.close()
    const codes = async (version: number): Promise<string[]> => {
      const bytes = readFileSync(path)
      bytes.writeUInt32BE(version, 96)
      writeFileSync(path, bytes)
      // Not at each backup: it would be the same warning every night.
      expect((await drain(source(), dir)).manifest.findings).toEqual([])
      return (await source().probe(await makeContext(dir))).map(finding => finding.code)
    }
    expect(await codes(3_040_001)).toEqual(['sqlite-wal-reset-bug'])
    expect(await codes(3_051_002)).toEqual(['sqlite-wal-reset-bug'])
    expect(await codes(3_050_007)).toEqual([])
    expect(await codes(3_051_003)).toEqual([])
  })
})

describe('incremental capture', () => {
  const later = { ...systemClock, now: () => new Date(Date.now() + 10_000) }
  const again = async (parent: DrainedSnapshot): Promise<DrainedSnapshot> =>
    await drain(source(), dir, { type: 'incremental', parent, clock: later })

  for (const mode of ['WAL', 'DELETE']) {
    it(`reads nothing while nothing was written, and notices each way of writing, ${mode}`, async () => {
      const application = open()
      await application.exec(`PRAGMA journal_mode = ${mode}; CREATE TABLE t (id INTEGER PRIMARY KEY, v);
        INSERT INTO t VALUES (1, 2)`)
      let last = await drain(source(), dir, { clock: later })
      const rows = last.manifest.database?.tables
      last = await again(last)
      expect([last.bytesRead, last.entries[0]?.unchanged, last.manifest.database?.tables]).toEqual([0, true, rows])
      for (const sql of ['INSERT INTO t VALUES (2, 3)', 'UPDATE t SET v = 9', 'PRAGMA user_version = 3', 'VACUUM']) {
        await application.exec(sql)
        last = await again(last)
        expect([sql, last.bytesRead > 0]).toEqual([sql, true])
        last = await again(last)
        expect([sql, last.bytesRead]).toEqual([sql, 0])
      }
    })
  }

  it('does not trust a file that was written just before its parent', async () => {
    await open().exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v)')
    const parent = await drain(source(), dir)
    expect((await drain(source(), dir, { type: 'incremental', parent })).bytesRead).toBeGreaterThan(0)
  })
})

const failure = async (name = 'app.db'): Promise<AppError> => {
  const error = await drain(source(name), dir).catch((reason: unknown) => reason)
  if (!(error instanceof AppError)) throw new Error(`no clear error: ${String(error)}`)
  expect(error.hint).toBeTruthy()
  const findings = await source(name).probe(await makeContext(dir))
  expect(findings.map(f => [f.severity, f.code])).toEqual([['error', error.code]])
  return error
}

function makeDatabase(): void {
  const db = new DatabaseSync(path)
  db.exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB); ${churn}`)
  db.close()
}

describe('what cannot be captured', () => {
  it('is named: missing, a folder, empty, too short, not SQLite, encrypted, a link to itself', async () => {
    expect(await failure()).toMatchObject({
      code: 'source-unreachable',
      message: expect.stringContaining('no database'),
    })
    mkdirSync(join(dir, 'folder.db'))
    expect(await failure('folder.db')).toMatchObject({
      code: 'source-invalid',
      message: expect.stringContaining('folder'),
    })
    const cases: Array<[string, string | Buffer, string]> = [
      ['empty.db', '', 'empty'],
      ['short.db', 'SQLite format 3\0', 'not a SQLite database'],
      ['text.db', 'x'.repeat(5000), 'not a SQLite database'],
      ['cipher.db', Buffer.from(Array.from({ length: 8192 }, (_, i) => (i * 7919 + (i >> 3)) & 255)), 'encrypted'],
    ]
    for (const [name, content, words] of cases) {
      writeFileSync(join(dir, name), content)
      expect(await failure(name)).toMatchObject({ code: 'source-invalid', message: expect.stringContaining(words) })
    }
    symlinkSync('loop.db', join(dir, 'loop.db'))
    expect(await failure('loop.db')).toMatchObject({ code: 'source-invalid' })
  })

  it('is named: cut short, or with a schema that makes no sense', async () => {
    makeDatabase()
    const whole = readFileSync(path)
    writeFileSync(path, whole.subarray(0, 40_000))
    expect(await failure()).toMatchObject({ code: 'source-invalid', message: expect.stringContaining('malformed') })
    const bad = Buffer.from(whole)
    bad.fill(0x55, 100, 4096)
    writeFileSync(path, bad)
    expect(await failure()).toMatchObject({ code: 'source-invalid', message: expect.stringContaining('malformed') })
  })

  it('is named: left half-written by a restore', async () => {
    await writeStandIn(path)
    expect(await failure()).toMatchObject({ code: 'source-invalid', message: expect.stringContaining('half-written') })
  })

  it('captures a table that cannot be read, and says so', async () => {
    makeDatabase()
    const bytes = readFileSync(path)
    bytes.fill(0xff, 4096, 8192)
    writeFileSync(path, bytes)
    const { manifest } = await drain(source(), dir)
    expect(manifest.findings.map(f => [f.severity, f.code, f.subject])).toEqual([
      ['warning', 'table-unreadable', 'table t'],
      ['warning', 'database-damaged', `database ${path}`],
    ])
  })

  it('follows a symbolic link to the database and its WAL', async () => {
    const real = join(dir, 'real.db')
    await open(real).exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)')
    symlinkSync('real.db', path)
    const snapshot = await drain(source(), dir)
    expect(snapshot.entries.map(entry => entry.path)).toEqual(['app.db'])
    expect(snapshot.manifest.database?.tables).toEqual([{ name: 't', rows: 1, columns: [{ name: 'x', type: '' }] }])
  })

  it('rolls an interrupted transaction back in the capture, not in the database', async () => {
    const application = open()
    await application.exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB); ${churn} PRAGMA cache_size = 2;
      BEGIN; UPDATE t SET v = zeroblob(1500); INSERT INTO t (v) VALUES (1)`)
    await application.kill()
    const before = [readFileSync(path), readFileSync(`${path}-journal`)]
    const snapshot = await drain(source(), dir)
    expect(snapshot.manifest.findings.map(f => f.code)).toEqual(['hot-journal'])
    expect([readFileSync(path), readFileSync(`${path}-journal`)]).toEqual(before)
    const copy = join(dir, 'copy.db')
    copyFileSync(snapshot.entries[0]?.file ?? '', copy)
    const db = new DatabaseSync(copy)
    expect(db.prepare('SELECT count(*) AS n FROM t WHERE v = zeroblob(1500)').get()).toEqual({ n: 0 })
    expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
    db.close()
  })
})
