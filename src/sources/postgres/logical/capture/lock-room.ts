import type { Session } from '../../../../clients/postgres/index.ts'

/** What others, and pg_dump's own few beside the tables', may need. */
const OURS = 0.9

/**
 * Locks that the server has for all sessions together: `max_locks_per_transaction` for each connection that it may have.
 * pg_dump must find room for a lock on each table; ours come on top, so they are taken only where both fit.
 */
export class LockRoom {
  #left: number | undefined

  /** False where `count` more do not fit. */
  async take(session: Session, count: number): Promise<boolean> {
    const capacity = this.#left ?? (await readCapacity(session))
    // Others may have taken theirs while this one was asking.
    this.#left ??= capacity
    if (count > this.#left) return false
    this.#left -= count
    return true
  }
}

async function readCapacity(session: Session): Promise<number> {
  const [row] = await session.query<{ locks: number }>(
    `SELECT current_setting('max_locks_per_transaction')::int
       * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int) AS locks`,
  )
  return Math.floor((row?.locks ?? 0) * OURS)
}
