import { isAppError } from '../../base/errors.ts'
import type { StorageHistory, StoredVersion } from '../../storage/storage.ts'
import { eventsOf, type HistoryEvent, kindOf } from './events.ts'
import type { Span } from './marks.ts'

/** What is told by the versions of a bucket. */
export interface Past {
  readonly events: readonly HistoryEvent[]
  /** While somebody held a lock. */
  readonly locks: readonly Span[]
}

const LOCKS = 'locks/'
/** Who holds a lock longer writes a new file. */
const STALE_MS = 30 * 60_000

/**
 * Undefined where nothing that was overwritten or removed is there: what happened is unknown then. Every backup leaves a
 * removed lock behind where versions are kept.
 */
export async function readPast(history: StorageHistory | undefined, signal: AbortSignal): Promise<Past | undefined> {
  if (history === undefined) return undefined
  const events: HistoryEvent[] = []
  const locks: Span[] = []
  let keepsPast = false
  try {
    for await (const versions of byKey(history.list('', { signal }))) {
      const key = versions[0]?.key ?? ''
      keepsPast ||= versions.length > 1 || versions.some(({ removed }) => removed)
      const kind = kindOf(key)
      if (kind !== undefined) events.push(...eventsOf(kind, versions))
      else if (key.startsWith(LOCKS)) locks.push(...spanOf(versions))
    }
  } catch (error) {
    // A service that speaks of no versions.
    if (!isAppError(error, 'unsupported')) throw error
  }
  return keepsPast ? { events, locks } : undefined
}

function spanOf(newestFirst: readonly StoredVersion[]): Span[] {
  const from = newestFirst.findLast(({ removed }) => !removed)?.at
  const removedAt = newestFirst.find(({ removed }) => removed)?.at
  if (from === undefined) return []
  return [{ from, to: new Date(Math.min(Number(from) + STALE_MS, Number(removedAt ?? Number.POSITIVE_INFINITY))) }]
}

/** A listing gives the versions of one object in a row. */
async function* byKey(versions: AsyncIterable<StoredVersion>): AsyncGenerator<readonly StoredVersion[]> {
  let group: StoredVersion[] = []
  for await (const version of versions) {
    if (group.length > 0 && group[0]?.key !== version.key) {
      yield group
      group = []
    }
    group.push(version)
  }
  if (group.length > 0) yield group
}
