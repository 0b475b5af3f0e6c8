import { openSync, readFileSync, readSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { NO_EXACT_MARK, NO_LIVE_INDEX, type Pinned } from './session-protocol.ts'
import { parseBackfilled, parseWalIndexHeader, WAL_INDEX_HEADER_BYTES, type WalIndexHeader } from './wal-index.ts'

/** How long to try for an exact mark under a storm of commits; each try takes some 30 microseconds. */
const MARK_TRIES_MS = 2000

/**
 * Begins a read transaction and says exactly which instant it sees. Read-only, so it neither checkpoints nor deletes the
 * WAL when it closes last, and never takes a lock that a writer waits for in WAL mode.
 */
export function pinDatabase(path: string, waitMs: number): { db: DatabaseSync; pinned: Pinned } {
  const db = new DatabaseSync(path, { readOnly: true, timeout: waitMs })
  try {
    return { db, pinned: pin(db, path) }
  } catch (error) {
    db.close()
    throw error
  }
}

function pin(db: DatabaseSync, path: string): Pinned {
  const journalMode = beginReading(db)
  // Parses the schema: a database that can't do that is refused here, not in the middle.
  db.prepare('SELECT count(*) FROM sqlite_schema').get()
  if (journalMode !== 'wal') return { journalMode, wal: undefined }
  const shm = openIndex(`${path}-shm`)
  const deadline = performance.now() + MARK_TRIES_MS
  do {
    const mark = tryMark(db, shm)
    if (mark) return { journalMode, wal: mark }
  } while (performance.now() < deadline)
  throw new Error(NO_EXACT_MARK)
}

/**
 * Whoever may write the index repairs it where nobody has the database open. Whoever may not believes it only if somebody
 * has; else SQLite makes an index of its own in memory, and the file is of whenever the last one was killed.
 * Stays open as long as the process: closing it would drop the locks that SQLite has on the same file.
 */
function openIndex(path: string): number {
  try {
    return openSync(path, 'r+')
  } catch {
    const shm = openSync(path, 'r')
    const maps = mapsOfThisProcess()
    if (maps === undefined) throw new Error(NO_EXACT_MARK)
    if (!maps.includes(` ${path.replaceAll('\n', '\\012')}\n`)) throw new Error(NO_LIVE_INDEX)
    return shm
  }
}

/** Undefined where the system does not tell it: elsewhere than on Linux. */
function mapsOfThisProcess(): string | undefined {
  try {
    return readFileSync('/proc/self/maps', 'utf8')
  } catch {
    return undefined
  }
}

function beginReading(db: DatabaseSync): string {
  db.exec('BEGIN')
  db.prepare('PRAGMA schema_version').get()
  const row = db.prepare('PRAGMA journal_mode').get()
  return String(row?.['journal_mode'])
}

/**
 * The index header counts every commit. When it is the same before and after our transaction began, no commit happened
 * in between, so it is our transaction's own mark. The backfill count is read between the two: while the header stays
 * the same the WAL was not reset, and then it only grows.
 */
function tryMark(db: DatabaseSync, shm: number): { header: WalIndexHeader; backfilled: number } | undefined {
  if (db.isTransaction) db.exec('ROLLBACK')
  const before = readIndex(shm)
  if (!parseWalIndexHeader(before)) return undefined
  beginReading(db)
  const between = readIndex(shm)
  const after = readIndex(shm)
  const header = parseWalIndexHeader(after)
  const same = before.subarray(0, 96).equals(after.subarray(0, 96))
  return header && same ? { header, backfilled: parseBackfilled(between) } : undefined
}

function readIndex(shm: number): Buffer {
  const bytes = Buffer.alloc(WAL_INDEX_HEADER_BYTES)
  readSync(shm, bytes, 0, bytes.length, 0)
  return bytes
}

/**
 * A reader of a WAL database that nobody has open leaves an empty WAL and its index behind. A writing connection that
 * closes last removes them; it has nothing to checkpoint, for the WAL is empty.
 */
export function removeEmptyWal(path: string): void {
  const wal = statSync(`${path}-wal`, { throwIfNoEntry: false })
  if (wal?.size !== 0) return
  const db = new DatabaseSync(path, { timeout: 0 })
  try {
    db.prepare('PRAGMA schema_version').get()
  } finally {
    db.close()
  }
}

/** Opens a file that nobody else knows of, so that it may be changed. A journal beside it was rolled back then. */
export function openPrivate(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { enableForeignKeyConstraints: false, defensive: false, timeout: 1000 })
  db.prepare('PRAGMA schema_version').get()
  return db
}
