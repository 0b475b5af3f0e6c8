import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
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
import { AppError } from '../../base/errors.ts'
import type { Manifest } from '../../model/manifest.ts'
import type { FileToRestore, RestoreOutcome, RestoreRequest } from '../source.ts'
import { targetError } from './restore-target.ts'
import { isStandIn, writeStandIn } from './seal.ts'
import { SqliteSource } from './sqlite-source.ts'

let dir = ''
let path = ''
let target = ''
let snapshot: DrainedSnapshot
const applications: SqliteProcess[] = []

beforeEach(async () => {
  dir = await makeTempDir()
  path = join(dir, 'app.db')
  mkdirSync(join(dir, 'out'))
  target = join(dir, 'out', 'restored.db')
  const db = new DatabaseSync(path)
  db.exec(`PRAGMA journal_mode = WAL; CREATE TABLE parents (id INTEGER PRIMARY KEY);
    CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB, parent INTEGER REFERENCES parents (id));
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
      INSERT INTO t SELECT i, randomblob(900), NULL FROM n`)
  db.close()
  snapshot = await drain(source(), dir)
})

afterEach(async () => {
  for (const application of applications.splice(0)) await application.kill()
  await removeDir(dir)
})

const source = (): SqliteSource => new SqliteSource('app', { path: 'app.db' }, { baseDir: dir })

async function restore(options: Partial<RestoreRequest> = {}): Promise<RestoreOutcome> {
  return await source().restore({
    ...(await makeContext(dir)),
    snapshot: snapshot.reader,
    target,
    force: false,
    delta: false,
    checks: true,
    include: [],
    ...options,
  })
}

async function failure(options: Partial<RestoreRequest> = {}): Promise<AppError> {
  const error = await restore(options).catch((reason: unknown) => reason)
  if (!(error instanceof AppError)) throw new Error(`no clear error: ${String(error)}`)
  return error
}

/** As a kill leaves it in the middle of a restore in place. */
async function leaveHalfWritten(): Promise<void> {
  await restore()
  writeFileSync(`${target}.lifeboat-partial`, Buffer.concat([captured().subarray(0, 200_000), Buffer.alloc(9000)]))
  await writeStandIn(target)
}

const captured = (): Buffer => readFileSync(snapshot.entries[0]?.file ?? '')
const left = (): string[] => readdirSync(join(dir, 'out')).sort()

function open(file = target): SqliteProcess {
  const application = new SqliteProcess(file)
  applications.push(application)
  return application
}

describe('restore', () => {
  it('gives the captured bytes, mode and time, proven, and leaves nothing else', async () => {
    chmodSync(path, 0o640)
    snapshot = await drain(source(), dir)
    const outcome = await restore()
    expect(readFileSync(target).equals(captured())).toBe(true)
    expect(left()).toEqual(['restored.db'])
    expect(statSync(target).mode & 0o777).toBe(0o640)
    expect(Math.abs(statSync(target).mtimeMs - statSync(path).mtimeMs)).toBeLessThan(1)
    expect(outcome.checks.map(check => [check.name, check.passed, check.found])).toEqual([
      ['integrity_check', true, 'ok'],
      ['foreign_key_check', true, '0'],
      ['schema', true, snapshot.manifest.database?.schemaFingerprint],
      ['rows of parents', true, '0'],
      ['rows of t', true, '300'],
    ])
  })

  it('leaves a link alone that leads nowhere: its disk may not be mounted', async () => {
    symlinkSync(join(dir, 'not-mounted.db'), target)
    await expect(restore({ force: true })).rejects.toMatchObject({
      code: 'target-invalid',
      hint: expect.stringContaining('disk'),
    })
    expect(readdirSync(join(dir, 'out'))).toEqual(['restored.db'])
  })

  it('puts the file into a folder under its own name, makes missing folders, follows a link', async () => {
    expect((await restore({ target: join(dir, 'out') })).target).toBe(join(dir, 'out', 'app.db'))
    expect((await restore({ target: join(dir, 'a', 'b', 'c.db') })).target).toBe(join(dir, 'a', 'b', 'c.db'))
    writeFileSync(join(dir, 'real.db'), 'old')
    symlinkSync(join(dir, 'real.db'), target)
    await restore({ force: true })
    expect(readFileSync(join(dir, 'real.db')).equals(captured())).toBe(true)
    expect(readFileSync(target).equals(captured())).toBe(true)
  })

  it('never lets an old WAL or journal be applied to the new file', async () => {
    const application = open()
    await application.exec(
      'PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 2)',
    )
    await application.kill()
    for (const delta of [false, true]) {
      for (const end of ['-wal', '-shm', '-journal']) {
        if (!existsSync(target + end)) writeFileSync(target + end, 'stale, from another database')
      }
      await restore({ force: true, delta })
      expect(left()).toEqual(['restored.db'])
      expect(readFileSync(target).equals(captured())).toBe(true)
    }
    for (const end of ['-wal', '-shm', '-journal']) writeFileSync(target.replace('restored', 'gone') + end, 'stale')
    await restore({ target: target.replace('restored', 'gone') })
    const aside = ['-journal', '-shm', '-wal'].map(end => `gone.db${end}.lifeboat-old`)
    expect(left()).toEqual(['gone.db', ...aside, 'restored.db'])
  })

  it('refuses a target that a program has open, reading, writing or idle', async () => {
    const application = open()
    for (const sql of [
      'CREATE TABLE x (y)',
      'PRAGMA journal_mode = WAL; INSERT INTO x VALUES (1)',
      'BEGIN; SELECT * FROM x',
      'INSERT INTO x VALUES (2)',
    ]) {
      await application.exec(sql)
      for (const delta of [false, true]) {
        const error = await failure({ force: true, delta })
        expect(error).toMatchObject({ code: 'target-in-use', hint: expect.stringContaining('Stop the application') })
        expect(error.message).toContain(String(application.pid))
      }
    }
    await application.exec('COMMIT')
    await application.kill()
    await restore({ force: true })
    expect(readFileSync(target).equals(captured())).toBe(true)
  })

  it('replaces what is damaged or no database at all', async () => {
    for (const old of ['no database', Buffer.alloc(0), captured().subarray(0, 5000)]) {
      for (const delta of [false, true]) {
        writeFileSync(target, old)
        await restore({ force: true, delta })
        expect(readFileSync(target).equals(captured())).toBe(true)
      }
    }
  })

  it('in place, writes only what differs', async () => {
    await restore()
    const bytes = readFileSync(target)
    bytes.fill(1, 40_000, 40_100)
    writeFileSync(target, bytes)
    const { ino } = statSync(target)
    const outcome = await restore({ force: true, delta: true })
    expect(outcome.writtenBytes).toBeLessThan(outcome.totalBytes / 5)
    expect(readFileSync(target).equals(captured())).toBe(true)
    expect(statSync(target).ino).toBe(ino)
  })

  it('completes what was killed in place, and says so until then', async () => {
    await leaveHalfWritten()
    const application = new DatabaseSync(target)
    expect(() => application.exec('CREATE TABLE IF NOT EXISTS lost (a)')).toThrow('not a database')
    application.close()
    const half = new SqliteSource('app', { path: target }, { baseDir: dir })
    expect((await half.probe(await makeContext(dir)))[0]?.message).toContain('half-written')
    expect((await failure()).message).toContain('half-written')
    const outcome = await restore({ force: true, delta: true })
    expect(outcome.findings.map(finding => finding.code)).toEqual(['restore-resumed'])
    expect(left()).toEqual(['restored.db'])
    expect(readFileSync(target).equals(captured())).toBe(true)
  })

  it.each([true, false])('goes on with what is half-written, and keeps no stand-in (delta: %s)', async delta => {
    await leaveHalfWritten()
    const during: boolean[] = []
    const watched = {
      ...snapshot.reader,
      restoreFiles: async (files: Iterable<FileToRestore>) => {
        during.push(await isStandIn(target))
        return await snapshot.reader.restoreFiles(files)
      },
    }
    const outcome = await restore({ force: true, delta, keepAs: 'before', snapshot: watched })
    // Until all of it is there, no program finds a database to write to.
    expect(during).toEqual([true])
    expect(outcome.totalBytes - outcome.writtenBytes).toBeGreaterThan(190_000)
    expect(outcome.kept).toEqual([])
    expect(left()).toEqual(['restored.db'])
    expect(readFileSync(target).equals(captured())).toBe(true)
  })

  it('leaves a stand-in when it is stopped in place, and the next one takes it away', async () => {
    await restore()
    const broken = {
      ...snapshot.reader,
      restoreFiles: () => Promise.reject(Object.assign(new Error('cut'), { code: 'EIO' })),
    }
    expect((await failure({ force: true, delta: true, snapshot: broken })).code).toBe('target-invalid')
    expect(left()).toEqual(['restored.db', 'restored.db.lifeboat-partial'])
    expect(await isStandIn(target)).toBe(true)
    await restore({ force: true, delta: false })
    expect(left()).toEqual(['restored.db'])
  })

  it('swaps what has other names, by which programs would find it half-written', async () => {
    await restore()
    const other = join(dir, 'out', 'other.db')
    linkSync(target, other)
    const [survey] = (await source().targets.survey({ ...(await makeContext(dir)), target })).findings
    expect(survey).toMatchObject({ severity: 'warning', code: 'target-has-other-names' })
    const written = {
      ...snapshot.reader,
      restoreFiles: async (files: Iterable<FileToRestore>) => {
        const application = new DatabaseSync(other)
        application.exec('INSERT INTO parents VALUES (1)')
        application.close()
        return await snapshot.reader.restoreFiles(files)
      },
    }
    await restore({ force: true, delta: true, snapshot: written })
    expect(readFileSync(target).equals(captured())).toBe(true)
    const application = new DatabaseSync(other)
    expect(application.prepare('SELECT id FROM parents').all()).toEqual([{ id: 1 }])
    application.close()
  })

  it('goes on with what an interrupted restore has written beside', async () => {
    const partial = `${target}.lifeboat-partial`
    writeFileSync(partial, captured().subarray(0, 200_000))
    const outcome = await restore()
    expect(outcome.totalBytes - outcome.writtenBytes).toBeGreaterThan(190_000)
    expect(left()).toEqual(['restored.db'])
    expect(readFileSync(target).equals(captured())).toBe(true)
  })

  it('does not swap in what fails its checks', async () => {
    writeFileSync(target, 'old')
    const database = snapshot.manifest.database
    if (!database) throw new Error('no database in the manifest')
    const manifest: Manifest = { ...snapshot.manifest, database: { ...database, tables: [{ name: 't', rows: 301 }] } }
    const error = await failure({ force: true, snapshot: { ...snapshot.reader, manifest } })
    expect(error.code).toBe('verification-failed')
    expect(error.hint).toContain('Expected 301, found 300')
    expect(readFileSync(target, 'utf8')).toBe('old')
    expect(left()).toEqual(['restored.db', 'restored.db.lifeboat-failed'])
    await restore({ force: true, checks: false, snapshot: { ...snapshot.reader, manifest } })
    expect(readFileSync(target).equals(captured())).toBe(true)
  })

  it('finds damage that was captured, and what is no database', async () => {
    const bytes = captured()
    bytes.fill(0xff, 8192, 12_288)
    writeFileSync(snapshot.entries[0]?.file ?? '', bytes)
    expect((await failure()).message).toContain('integrity_check')
    writeFileSync(snapshot.entries[0]?.file ?? '', Buffer.alloc(bytes.length, 'x'))
    expect((await failure()).code).toBe('verification-failed')
    expect(existsSync(target)).toBe(false)
  })

  it('compares broken foreign keys with those at capture time', async () => {
    const db = new DatabaseSync(path, { enableForeignKeyConstraints: false })
    db.exec('UPDATE t SET parent = 99 WHERE id < 4')
    db.close()
    snapshot = await drain(source(), dir)
    const outcome = await restore()
    expect(outcome.checks.find(check => check.name === 'foreign_key_check')).toMatchObject({ passed: true, found: '3' })
    const uncounted = await restore({ force: true, snapshot: { ...snapshot.reader, manifest: undefined } })
    expect(uncounted.findings.map(finding => finding.code)).toEqual(['foreign-key-violations'])
  })

  it('lets no second restore at the same target, and is not disturbed by it', async () => {
    const second: unknown[] = []
    const during = {
      ...snapshot.reader,
      restoreFiles: async (files: Iterable<FileToRestore>) => {
        second.push(await restore().catch((error: unknown) => error))
        return await snapshot.reader.restoreFiles(files)
      },
    }
    await restore({ snapshot: during })
    expect(second).toMatchObject([{ code: 'target-in-use' }])
    expect(readFileSync(target).equals(captured())).toBe(true)
  })

  it('refuses a name that leaves no room for those beside it', async () => {
    const longest = join(dir, 'out', 'x'.repeat(230))
    await restore({ target: longest })
    const error = await restore({ target: `${longest}x` }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'target-invalid', message: expect.stringContaining('231 bytes') as string })
    expect(readdirSync(join(dir, 'out'))).toEqual(['x'.repeat(230)])
  })

  it.each(['EXDEV', 'EBUSY'])('says of a file that is mounted by itself what to mount instead (%s)', code => {
    const error = Object.assign(new Error(code), { code })
    expect(targetError(error, '/data/app.db')).toMatchObject({
      code: 'target-invalid',
      message: '/data/app.db is a mount point: no other file can take its place',
      hint: expect.stringContaining('Mount the folder') as string,
    })
  })

  it('refuses paths that are not in the snapshot, and snapshots of something else', async () => {
    expect((await failure({ include: ['other.db'] })).code).toBe('not-found')
    await restore({ include: ['app.db'] })
    const many = { ...snapshot.reader, entries: async function* () {} }
    expect((await failure({ snapshot: many })).code).toBe('target-invalid')
  })
})

describe('restore of SQL', () => {
  it('builds an empty database from a schema, or gives the text', async () => {
    snapshot = await drain(source(), dir, { type: 'schema' })
    const outcome = await restore()
    expect(outcome.checks.every(check => check.passed)).toBe(true)
    const db = new DatabaseSync(target)
    expect(db.prepare('SELECT name FROM sqlite_schema ORDER BY name').all()).toEqual([
      { name: 'parents' },
      { name: 't' },
    ])
    db.close()
    expect((await restore({ target: join(dir, 'out', 'schema.sql') })).checks).toEqual([])
    expect(readFileSync(join(dir, 'out', 'schema.sql'), 'utf8')).toContain('CREATE TABLE parents')
    expect((await failure()).code).toBe('target-exists')
  })

  it('gives data as text only', async () => {
    snapshot = await drain(source(), dir, { type: 'data' })
    expect(await failure()).toMatchObject({ code: 'target-invalid', hint: expect.stringContaining('.sql') })
    const { target: file } = await restore({ target: join(dir, 'out') })
    expect(file).toBe(join(dir, 'out', 'data.sql'))
    expect(readFileSync(file, 'utf8').match(/^INSERT INTO "t"/gm)).toHaveLength(300)
  })
})
