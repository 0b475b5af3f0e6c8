import { systemClock } from '../../../../base/clock.ts'
import { AppError } from '../../../../base/errors.ts'
import type { Session } from '../../../../clients/postgres/index.ts'
import type { KeptRequest, Settled } from '../../../target.ts'

const ROUND_MS = 50
const PATIENCE_MS = 30_000

/**
 * Whether a transaction that replaced rows was committed: the server remembers it for as long as its commit log goes
 * back. One that is still at work, its client dead, is ended: what it was told before it will do, and then it hears nobody.
 */
export async function settleRows(admin: Session, { token = '' }: KeptRequest): Promise<Settled> {
  const until = systemClock.monotonicMs() + PATIENCE_MS
  for (;;) {
    const [row] = await admin.query<{ status: string | null }>('SELECT pg_xact_status($1::text::xid8) AS status', [
      token,
    ])
    if (row?.status === 'committed') return { state: 'finished', kept: [] }
    if (row?.status === 'aborted') return { state: 'untouched', kept: [] }
    // Too long ago for the server to say.
    if (row?.status !== 'in progress') return { state: 'half-written', kept: [] }
    if (systemClock.monotonicMs() > until) throw stillThere(token)
    await admin.query(
      `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'transactionid' AND granted AND mode = 'ExclusiveLock'
       AND transactionid = $1::text::xid8::xid`,
      [token],
    )
    await systemClock.sleep(ROUND_MS)
  }
}

function stillThere(token: string): AppError {
  return new AppError('target-in-use', `the transaction ${token} of the restore that was killed does not end`, {
    hint: 'Restart the server, or end the session as a superuser (pg_stat_activity, pg_terminate_backend).',
  })
}
