import { systemClock } from '../../../../base/clock.ts'
import { AppError, isAppError } from '../../../../base/errors.ts'
import { describeConnection, quoteIdentifier, type Session, withSession } from '../../../../clients/postgres/index.ts'
import { endSessions, listSessions } from './sessions.ts'

export interface Renaming {
  readonly from: string
  readonly to: string
}

/** What somebody else does to a database (a copy of it is made from it) may hold its name for a while. */
const LOCK_TIMEOUT = '30s'
const ROUND_MS = 100

/**
 * Renames databases in one transaction: all of them, or none. Their sessions are ended. From the first renaming to the
 * end of the transaction the server lets nobody into them: who connects then waits, and is told that the database is not
 * there, or gets into the one that has the name afterwards; never into the one that had it before. So what was committed
 * before is in the old database and what is committed after in the new one. Throws `target-in-use` with those who can't be
 * sent away.
 */
export async function renameDatabases(admin: Session, renamings: readonly Renaming[]): Promise<void> {
  if (renamings.length === 0) return
  const ending = keepEnding(
    admin,
    renamings.map(each => each.from),
  )
  const statements = renamings.map(
    ({ from, to }) => `ALTER DATABASE ${quoteIdentifier(from)} RENAME TO ${quoteIdentifier(to)};`,
  )
  try {
    await admin.query(`BEGIN; SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'; ${statements.join(' ')} COMMIT`)
  } catch (error) {
    if (!admin.broken) await admin.query('ROLLBACK')
    throw isAppError(error, 'target-in-use') ? await inUse(admin, renamings, error) : error
  } finally {
    await ending.stop()
  }
}

async function inUse(admin: Session, renamings: readonly Renaming[], cause: AppError): Promise<AppError> {
  const sessions = await listSessions(
    admin,
    renamings.map(each => each.from),
  )
  const [first] = sessions
  if (first === undefined) return cause
  const place = describeConnection(admin.settings, first.database)
  const who = [...new Set(sessions.map(each => each.role))].join(', ')
  return new AppError('target-in-use', `cannot replace ${place}: sessions of ${who} could not be ended`, {
    hint: `Stop what is connected, or as a superuser run: GRANT pg_signal_backend TO ${quoteIdentifier(admin.settings.user)}; (a superuser's sessions only a superuser can end).`,
    context: { ...cause.context, sessions },
    cause,
  })
}

/** Ends sessions until told to stop: ALTER DATABASE ... RENAME waits for them, but sends nobody away. */
function keepEnding(admin: Session, databases: readonly string[]): { stop(): Promise<void> } {
  const done = new AbortController()
  const work = withSession(admin.settings, { database: admin.database }, async session => {
    while (!done.signal.aborted) {
      await endSessions(session, databases)
      await systemClock.sleep(ROUND_MS, done.signal)
    }
  })
  // Without a session of its own the renaming itself says that the database is in use.
  work.catch(() => {})
  return {
    stop: async () => {
      done.abort()
      await work.catch(() => {})
    },
  }
}
