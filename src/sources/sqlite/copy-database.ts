import { backup, DatabaseSync } from 'node:sqlite'

/** A change by another process makes the backup begin anew; after so many times it is done in one go. */
const RESTARTS = 3
/** Pages a step, between which writers have their turn. */
const STEP_PAGES = 2048
const ALL_PAGES = 0x7fff_ffff

/**
 * Copies a database as of one instant with SQLite's online backup. With a rollback journal a writer waits for one step
 * (some milliseconds) at a time; if it never lets the copy come to its end, then once for all of it.
 *
 * @see https://www.sqlite.org/backup.html
 */
export async function copyDatabase(path: string, into: string, waitMs: number): Promise<void> {
  const db = new DatabaseSync(path, { readOnly: true, timeout: waitMs })
  try {
    // Fails here, after `waitMs`, where the database is locked for good.
    db.prepare('PRAGMA schema_version').get()
    const wal = db.prepare('PRAGMA journal_mode').get()?.['journal_mode'] === 'wal'
    if (!wal && (await copyInSteps(db, into, STEP_PAGES, waitMs))) return
    await copyInSteps(db, into, ALL_PAGES, waitMs)
  } finally {
    db.close()
  }
}

/** Thrown out of the progress callback, the only way to stop a backup. */
class Stopped extends Error {
  /** As if SQLite had said SQLITE_BUSY. */
  readonly errcode = 5
}

/** False when the database changed too often while it was copied. */
async function copyInSteps(db: DatabaseSync, into: string, rate: number, waitMs: number): Promise<boolean> {
  let restarts = 0
  let remaining = Number.POSITIVE_INFINITY
  let movedAt = performance.now()
  try {
    await backup(db, into, {
      rate,
      progress: ({ remainingPages }) => {
        if (remainingPages !== remaining) movedAt = performance.now()
        else if (performance.now() - movedAt > waitMs) throw new Stopped('database is locked')
        if (remainingPages > remaining) restarts += 1
        remaining = remainingPages
        if (restarts > RESTARTS) throw new Stopped('the database changes faster than it can be copied')
      },
    })
    return true
  } catch (error) {
    if (error instanceof Stopped && restarts > RESTARTS && rate < ALL_PAGES) return false
    throw error
  }
}
