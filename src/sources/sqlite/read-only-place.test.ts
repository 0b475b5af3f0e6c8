import { chmodSync, copyFileSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { type DrainedSnapshot, drain } from '../../../test/helpers/drained-snapshot.ts'
import { mountReadOnly, skipReadOnlyMount } from '../../../test/helpers/read-only-mount.ts'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { withoutPrivileges } from '../../../test/helpers/unprivileged.ts'
import { SqliteSource } from './sqlite-source.ts'

/** What an application that was killed, or copied while it ran, leaves; each with the rows that SQLite sees in it. */
const LEFT: ReadonlyArray<{ state: string; rows: number; make: (app: string) => unknown }> = [
  { state: 'closed', rows: 2, make: app => copyEnds(wal(app), app, []) },
  { state: 'a log and its index', rows: 3, make: app => copyEnds(wal(app, 3), app, ['-wal', '-shm']) },
  { state: 'a log alone', rows: 3, make: app => copyEnds(wal(app, 3), app, ['-wal']) },
  { state: 'an empty log alone', rows: 2, make: emptyLog },
  { state: 'an index alone', rows: 2, make: app => copyEnds(wal(app, 3), app, ['-shm']) },
  { state: 'an index older than its log', rows: 4, make: olderIndex },
  { state: 'an index that was never written', rows: 3, make: emptyIndex },
  { state: 'a rollback journal', rows: 2, make: hotJournal },
]

describe.skipIf(skipReadOnlyMount)('on a read-only mount', () => {
  it.each(LEFT)('captures a database with $state', async ({ rows, make }) => {
    const dir = makeTempDir()
    const [folder, mount] = [join(dir, 'folder'), join(dir, 'mount')]
    mkdirSync(folder)
    make(join(folder, 'app.db'))
    mountReadOnly(folder, mount)
    const before = readdirSync(folder)
    expect(rowsOf(await drain(source(mount, dir), dir))).toEqual([rows, rows])
    expect(readdirSync(folder)).toEqual(before)
  })

  it('captures a database that is written to at another place', async () => {
    const dir = makeTempDir()
    const [folder, mount] = [join(dir, 'folder'), join(dir, 'mount')]
    mkdirSync(folder)
    const app = open(join(folder, 'app.db'))
    app.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)')
    mountReadOnly(folder, mount)
    const onStarted = (): Promise<void> => Promise.resolve(app.exec('INSERT INTO t VALUES (3)'))
    expect(rowsOf(await drain(source(mount, dir), dir, { onStarted }))).toEqual([2, 2])
    expect(rowsOf(await drain(source(mount, dir), dir))).toEqual([3, 3])
    app.close()
  })
})

const OTHERS = LEFT.filter(({ state }) => ['closed', 'a log alone', 'a rollback journal'].includes(state))

it.each(OTHERS)(
  "captures another user's database with $state, in a folder where nothing can be written",
  async left => {
    const dir = makeTempDir()
    const [folder, own] = [join(dir, 'folder'), join(dir, 'own')]
    mkdirSync(folder)
    mkdirSync(own)
    left.make(join(folder, 'app.db'))
    for (const name of readdirSync(folder)) chmodSync(join(folder, name), 0o444)
    chmodSync(folder, 0o555)
    const before = readdirSync(folder)
    await withoutPrivileges(dir, async () => {
      expect(rowsOf(await drain(source(folder, own), own))).toEqual([left.rows, left.rows])
    })
    expect(readdirSync(folder)).toEqual(before)
    chmodSync(folder, 0o755)
  },
)

function source(folder: string, baseDir: string): SqliteSource {
  return new SqliteSource('app', { path: join(folder, 'app.db') }, { baseDir })
}

/** As the manifest tells them, and as they are in the file. */
function rowsOf({ manifest, entries }: DrainedSnapshot): unknown[] {
  const db = new DatabaseSync(entries[0]?.file ?? '', { readOnly: true })
  const counted = db.prepare('SELECT count(*) AS n FROM t').get()?.['n']
  db.close()
  return [manifest.database?.tables[0]?.rows, counted]
}

function open(path: string): DatabaseSync {
  return new DatabaseSync(path)
}

// ---- what is left

/** Beside `app`, open still: two rows in the file, the others only in its log. */
function wal(app: string, rows = 2): string {
  const path = join(app, '../..', 'work.db')
  const db = open(path)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)')
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  for (let row = 3; row <= rows; row++) db.exec(`INSERT INTO t VALUES (${row})`)
  living.push(db)
  return path
}

/** Not closed, which would fold their logs; the garbage collector must not do it either. */
const living: DatabaseSync[] = []

function copyEnds(from: string, to: string, ends: readonly string[]): string {
  for (const end of ['', ...ends]) copyFileSync(from + end, to + end)
  return to
}

function emptyLog(app: string): void {
  writeFileSync(`${copyEnds(wal(app), app, [])}-wal`, '')
}

function olderIndex(app: string): void {
  copyEnds(wal(app, 3), app, ['-wal', '-shm'])
  living.at(-1)?.exec('INSERT INTO t VALUES (4)')
  copyFileSync(join(app, '../..', 'work.db-wal'), `${app}-wal`)
}

function emptyIndex(app: string): void {
  copyEnds(wal(app, 3), app, ['-wal', '-shm'])
  truncateSync(`${app}-shm`, 0)
  truncateSync(`${app}-shm`, 32_768)
}

/** A transaction too large for the cache, stopped in its middle. */
function hotJournal(app: string): void {
  const path = join(app, '../..', 'work.db')
  const db = open(path)
  db.exec('PRAGMA cache_size = 2; CREATE TABLE t (x); INSERT INTO t VALUES (1), (2); BEGIN; UPDATE t SET x = 9')
  db.exec('INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000) SELECT i FROM n')
  living.push(db)
  copyEnds(path, app, ['-journal'])
}
