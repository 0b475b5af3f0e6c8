import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'

/** Primary result codes of SQLite. @see https://www.sqlite.org/rescode.html */
const [BUSY, LOCKED] = [5, 6]

/**
 * SQLite waits longer each time it looks for a lock, up to 100 ms, and misses the moments in which an application that opens,
 * writes and closes is away. So it is asked for this long only, again and again; within it, new readers are kept out.
 */
const ATTEMPT_MS = 20

/**
 * Locks a database so that nobody else reads or writes it until this process closes it or ends. In WAL mode the exclusive
 * lock alone only keeps writers out; `locking_mode` asks for the lock that every open connection shares, so it is had only
 * when no connection is open. An interrupted transaction is rolled back, as by any program that opens the database.
 * Undefined: another program has it.
 */
export function holdAlone(path: string, waitMs: number): DatabaseSync | undefined {
  return hold(path, waitMs, 'PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; ROLLBACK')
}

/** Locks a database so that nobody else writes it; readers go on. Undefined: another program writes to it. */
export function holdWrites(path: string, waitMs: number): DatabaseSync | undefined {
  return hold(path, waitMs, 'BEGIN IMMEDIATE')
}

function hold(path: string, waitMs: number, sql: string): DatabaseSync | undefined {
  const deadline = performance.now() + waitMs
  const idle = new Int32Array(new SharedArrayBuffer(4))
  for (;;) {
    const held = tryToHold(path, sql)
    if (held !== undefined || performance.now() > deadline) return held
    // Between two attempts readers may go on: a writer may wait for one of them.
    Atomics.wait(idle, 0, 0, 1)
  }
}

function tryToHold(path: string, sql: string): DatabaseSync | undefined {
  const place = pathToFileURL(path)
  // What is gone by now must not be made.
  place.searchParams.set('mode', 'rw')
  const db = new DatabaseSync(place, { timeout: ATTEMPT_MS, enableForeignKeyConstraints: false, defensive: false })
  try {
    db.exec(sql)
    return db
  } catch (error) {
    db.close()
    if (isBusy(error)) return undefined
    throw error
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && [BUSY, LOCKED].includes(Number(error.errcode) & 0xff)
}

/** Writes the whole log of a database that is held alone into its file. False: something of it is only in the log. */
export function foldLog(db: DatabaseSync): boolean {
  const mode = db.prepare('PRAGMA journal_mode').get()?.['journal_mode']
  return mode !== 'wal' || db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.['busy'] === 0
}
