import type { LockInfo } from '../contract/keys-and-locks.ts'
import { type FoundLock, findLocks } from './locks.ts'
import type { LocksContext } from './locks-context.ts'

const NONE: ReadonlySet<string> = new Set()

/** An unreadable lock file has no owner and the epoch as its time. */
export async function listLocks(context: LocksContext): Promise<LockInfo[]> {
  return (await findLocks(context, NONE)).map(toInfo)
}

/** Removes stale locks, or every lock. Returns what was removed. */
export async function unlock(context: LocksContext, all: boolean): Promise<LockInfo[]> {
  const found = (await findLocks(context, NONE)).filter(({ stale }) => all || stale)
  for (const { id } of found) await context.files.remove('lock', id)
  return found.map(toInfo)
}

function toInfo({ id, lock, stale }: FoundLock): LockInfo {
  const { time = new Date(0), exclusive = false, hostname = '', username = '', pid = 0 } = lock ?? {}
  return { id, time, exclusive, hostname, username, pid, stale }
}
