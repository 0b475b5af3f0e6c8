import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type DrainedSnapshot,
  drain,
  makeContext,
  makeTempDir,
  removeDir,
} from '../../../test/helpers/drained-snapshot.ts'
import { isAppError } from '../../base/errors.ts'
import { keptPathOf } from '../beside/names.ts'
import { SqliteSource } from './sqlite-source.ts'

/** Whatever an application that crashed leaves at its database's path, a restore finds its way or says what to do. */
type Way = 'replace' | 'delta' | 'tables' | 'merge' | 'undo'
const WAYS: readonly Way[] = ['replace', 'delta', 'tables', 'merge', 'undo']

interface State {
  readonly name: string
  /** Which ways go through; the others are refused with words. */
  readonly goes: readonly Way[]
  readonly make: (target: string) => void
  /** The restored file, where it is not the target itself. */
  readonly file?: string
}

let dir = ''
let snapshot: DrainedSnapshot
/** Files of a database in the middle of a transaction, as a crash leaves them. */
const crashed = { db: Buffer.alloc(0), journal: Buffer.alloc(0), walDb: Buffer.alloc(0), wal: Buffer.alloc(0) }

const STATES: readonly State[] = [
  {
    name: 'a hot journal',
    goes: WAYS,
    make: target => {
      writeFileSync(target, crashed.db)
      writeFileSync(`${target}-journal`, crashed.journal)
    },
  },
  {
    name: 'a hot journal of a transaction over several databases',
    goes: WAYS,
    make: target => {
      writeFileSync(target, crashed.db)
      writeFileSync(`${target}-journal`, Buffer.concat([crashed.journal, superJournalRecord(`${target}-mj1`)]))
      writeFileSync(`${target}-mj1`, `${target}-journal\0`)
    },
  },
  {
    name: 'a log without its index',
    goes: WAYS,
    make: target => {
      writeFileSync(target, crashed.walDb)
      writeFileSync(`${target}-wal`, crashed.wal)
    },
  },
  {
    name: 'an index without its log',
    goes: WAYS,
    make: target => {
      writeFileSync(target, crashed.walDb)
      writeFileSync(`${target}-shm`, Buffer.alloc(32_768, 7))
    },
  },
  { name: 'zero bytes', goes: ['replace', 'delta', 'tables', 'undo'], make: target => writeFileSync(target, '') },
  {
    name: 'half a page',
    goes: ['replace', 'delta', 'undo'],
    make: target => writeFileSync(target, crashed.db.subarray(0, 2000)),
  },
  {
    name: 'a database that was cut off',
    goes: ['replace', 'delta', 'undo'],
    make: target => writeFileSync(target, crashed.walDb.subarray(0, 6000)),
  },
  { name: 'garbage', goes: ['replace', 'delta', 'undo'], make: target => writeFileSync(target, 'x'.repeat(9000)) },
  { name: 'nothing', goes: ['replace', 'delta', 'undo'], make: () => {} },
  {
    name: 'a journal without its database',
    goes: ['replace', 'delta', 'undo'],
    make: target => writeFileSync(`${target}-journal`, crashed.journal),
  },
  {
    name: 'a log without its database',
    goes: ['replace', 'delta', 'undo'],
    make: target => writeFileSync(`${target}-wal`, crashed.wal),
  },
  {
    name: 'a folder',
    goes: ['replace', 'delta'],
    make: target => mkdirSync(target),
    file: 'app.db',
  },
  { name: 'a link that leads nowhere', goes: [], make: target => symlinkSync('not-mounted.db', target) },
]

beforeAll(async () => {
  dir = await makeTempDir()
  const path = join(dir, 'app.db')
  const filled = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO t SELECT i, hex(randomblob(300)) FROM n`
  let db = new DatabaseSync(path)
  db.exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); ${filled}`)
  db.close()
  snapshot = await drain(source(), dir)

  db = new DatabaseSync(path)
  db.exec("PRAGMA cache_size = 3; BEGIN; UPDATE t SET v = 'half' || v; INSERT INTO t (v) SELECT v FROM t")
  crashed.db = readFileSync(path)
  crashed.journal = readFileSync(`${path}-journal`)
  db.exec('ROLLBACK; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; DELETE FROM t WHERE id > 100')
  crashed.walDb = readFileSync(path)
  crashed.wal = readFileSync(`${path}-wal`)
  db.close()
})
afterAll(() => removeDir(dir))

const source = (): SqliteSource => new SqliteSource('app', { path: 'app.db' }, { baseDir: dir })
const captured = (): Buffer => readFileSync(snapshot.entries[0]?.file ?? '')

describe.each(STATES)('a target with $name', ({ name, goes, make, file }) => {
  const target = (way: string): string => join(dir, `${name.replaceAll(' ', '-')}-${way}.db`)

  it('can be looked at without being changed', async () => {
    const path = target('look')
    make(path)
    const before = existsSync(path) && file === undefined ? readFileSync(path) : undefined
    const looked = await attempt(async () => source().targets.survey({ ...(await makeContext(dir)), target: path }))
    expect(isAppError(looked)).toBe(goes.length === 0)
    if (before !== undefined) expect(readFileSync(path).equals(before)).toBe(true)
  })

  it.each(WAYS)('%s', async way => {
    const path = target(way)
    make(path)
    const outcome = await attempt(() => change(way, path))
    if (!goes.includes(way)) {
      expect(outcome).toSatisfy(isAppError)
      return
    }
    expect(outcome).not.toBeInstanceOf(Error)
    const restored = file === undefined ? path : join(path, file)
    if (way === 'replace' || way === 'delta' || way === 'undo') {
      expect(readFileSync(restored).equals(captured())).toBe(true)
    }
    const db = new DatabaseSync(restored)
    expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
    expect(db.prepare("SELECT count(*) AS n FROM t WHERE v LIKE 'half%'").get()).toEqual({ n: 0 })
    db.close()
  })
})

/** What it gives, or the error. Any other error than ours is a bug. */
async function attempt(work: () => Promise<unknown>): Promise<unknown> {
  try {
    return await work()
  } catch (error) {
    if (!isAppError(error)) throw error
    expect(error.hint).not.toBe('')
    return error
  }
}

async function change(way: Way, target: string): Promise<unknown> {
  const context = await makeContext(dir)
  if (way === 'undo') {
    copyFileSync(snapshot.entries[0]?.file ?? '', keptPathOf(target, 'before-1').kept)
    return await source().targets.putBack({ ...context, target, keptAs: 'before-1', keepNowAs: 'before-2' })
  }
  if (way === 'merge') {
    const place = await source().merging.open({ ...context, snapshot: snapshot.reader, target })
    try {
      await place.begin([])
      return await place.commit()
    } finally {
      await place.close()
    }
  }
  return await source().restore({
    ...context,
    snapshot: snapshot.reader,
    target,
    force: true,
    delta: way === 'delta',
    checks: true,
    include: [],
    keepAs: way === 'tables' ? undefined : 'before-1',
    ...(way === 'tables' ? { selection: { tables: ['t'] } } : {}),
  })
}

/** @see https://www.sqlite.org/src/file/src/pager.c, "writeSuperJournal" */
function superJournalRecord(name: string): Buffer {
  const bytes = Buffer.from(name)
  const [page, length, sum] = [Buffer.alloc(4), Buffer.alloc(4), Buffer.alloc(4)]
  page.writeUInt32BE(0x4000_0000 / 4096 + 1)
  length.writeUInt32BE(bytes.length)
  sum.writeUInt32BE(bytes.reduce((total, byte) => total + byte, 0) >>> 0)
  return Buffer.concat([page, bytes, length, sum, Buffer.from('d9d505f920a163d7', 'hex')])
}
