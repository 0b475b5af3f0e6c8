import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AppError } from '../../src/base/errors.ts'
import { SqliteSource } from '../../src/sources/sqlite/sqlite-source.ts'
import { drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { SqliteProcess } from '../helpers/sqlite-process.ts'

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

function open(file = path): SqliteProcess {
  const application = new SqliteProcess(file)
  applications.push(application)
  return application
}

async function hashCapture(): Promise<{ sizeBytes: number; sha256: string }> {
  const source = new SqliteSource('app', { path }, { baseDir: dir })
  const capture = await source.capture({
    ...(await makeContext(dir)),
    type: 'full',
    parent: undefined,
    excludePaths: [],
  })
  try {
    const hash = createHash('sha256')
    let sizeBytes = 0
    for await (const entry of capture.entries()) {
      const content = await entry.open?.()
      const buffer = Buffer.alloc(4 << 20)
      for (let count = await content?.read(buffer); count; count = await content?.read(buffer)) {
        hash.update(buffer.subarray(0, count))
        sizeBytes += count
      }
    }
    await capture.finish()
    return { sizeBytes, sha256: hash.digest('hex') }
  } finally {
    await capture.close()
  }
}

async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: 4 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/** SQLite never uses the page at 1 GiB, for it takes its locks there. */
const LOCK_BYTE = 1 << 30

describe('a database beyond the lock page', () => {
  it('is captured byte for byte, the WAL over it', async () => {
    const application = open()
    await application.exec(`PRAGMA page_size = 65536; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
      CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB);
      INSERT INTO t VALUES (1, zeroblob(400000000)), (2, zeroblob(400000000)), (3, zeroblob(300000000));
      PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
      INSERT INTO t VALUES (4, randomblob(3000000)); INSERT INTO t VALUES (5, randomblob(2000000))`)
    const captured = await hashCapture()
    expect(captured.sizeBytes).toBeGreaterThan(LOCK_BYTE)
    await application.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    expect(captured.sha256).toBe(await hashFile(path))
  })
})

describe('a database with a rollback journal that is too big for memory', () => {
  it('is copied by the online backup, and equal', async () => {
    const application = open()
    await application.exec(
      `CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB); INSERT INTO t VALUES (1, randomblob(40000000))`,
    )
    const source = new SqliteSource('app', { path }, { baseDir: dir })
    // The writer goes on as soon as the capture has begun, whoever reads how slowly.
    const snapshot = await drain(source, dir, { onStarted: () => application.exec('INSERT INTO t VALUES (2, 2)') })
    const copy = join(dir, 'copy.db')
    await copyFile(snapshot.entries[0]?.file ?? '', copy)
    const db = new DatabaseSync(copy)
    expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
    expect(db.prepare('SELECT count(*) AS n FROM t').get()).toEqual({ n: 1 })
    db.close()
    expect(snapshot.manifest.database?.tables).toMatchObject([{ name: 't', rows: 1 }])
  })
})

describe('a database that a program keeps for itself', () => {
  for (const mode of ['WAL', 'DELETE']) {
    it(`is reported as busy, ${mode}`, async () => {
      await open().exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = ${mode};
        CREATE TABLE t (x); BEGIN IMMEDIATE; INSERT INTO t VALUES (1); COMMIT`)
      const source = new SqliteSource('app', { path }, { baseDir: dir })
      const error = await drain(source, dir).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(AppError)
      expect(error).toMatchObject({ code: 'source-busy', hint: expect.stringContaining('locking_mode') })
    })
  }
})
