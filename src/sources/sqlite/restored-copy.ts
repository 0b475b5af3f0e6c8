import { formatDuration } from '../../base/durations.ts'
import { throwIfAborted } from '../../base/errors.ts'
import type { CopyAnswer, CopyQuestion, RestoredCopy } from '../source.ts'
import { Session, SessionFault } from './session.ts'

/** A restored file that answers to SQL. */
export function copyOf(path: string, signal: AbortSignal): RestoredCopy {
  return { path, query: question => ask(path, question, signal) }
}

/** Each question has a process of its own: SQLite can be stopped in the middle of a statement only from outside. */
async function ask(path: string, { sql, limit, timeoutMs }: CopyQuestion, signal: AbortSignal): Promise<CopyAnswer> {
  const session = new Session(signal)
  let late = false
  const timer = setTimeout(() => {
    late = true
    void session.close()
  }, timeoutMs)
  try {
    return await session.call('ask', { path, sql, limit })
  } catch (error) {
    throwIfAborted(signal)
    if (late) return { problem: `no answer within ${formatDuration(timeoutMs)}` }
    if (error instanceof SessionFault && error.fault.sqliteCode !== undefined) return { problem: error.message }
    throw error
  } finally {
    clearTimeout(timer)
    await session.close()
  }
}
