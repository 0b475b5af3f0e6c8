import type { HistoryEvent, Kind } from './events.ts'

/** What neither a backup nor `forget` nor `prune` does. */
export const MARKS = {
  'config-changed': 'the file "config" was overwritten or deleted: without it nothing can be opened',
  'keys-deleted': 'keys were deleted: their passwords open nothing any more',
  'keys-added': 'keys were added: new passwords open the repository',
  overwritten: 'objects were overwritten, which are never changed',
  'deleted-without-lock': 'data was deleted by somebody who held no lock, as forget and prune do',
  'no-snapshots-left': 'the last snapshot was deleted',
} as const
export type MarkCode = keyof typeof MARKS

export interface Mark {
  readonly code: MarkCode
  readonly at: Date
}

/** While somebody held a lock: its file was there, and not stale. */
export interface LockSpan {
  readonly from: Date
  readonly to: Date
}

/** An event whose time is told. */
export type TimedEvent = HistoryEvent & { readonly at: Date }

/** Times of a service are whole seconds, and its machines do not quite agree. */
const TOLERANCE_MS = 5000
/** A repository gets its first key, and whoever made it may add another. */
const INIT_MS = 60 * 60_000
const UNDER_LOCK: ReadonlySet<Kind> = new Set(['packs', 'indexes', 'snapshots'])

/** @param events in the order of their times */
export function* findMarks(events: readonly TimedEvent[], locks: readonly LockSpan[]): Generator<Mark> {
  const made = events.find(({ kind, change }) => kind === 'config' && change === 'added')?.at
  let snapshots = 0
  for (const event of events) {
    const { kind, change, at } = event
    const code = markOf(event, made)
    if (code !== undefined) yield { code, at }
    if (change === 'deleted' && UNDER_LOCK.has(kind) && !isLocked(locks, at)) yield { code: 'deleted-without-lock', at }
    if (kind !== 'snapshots' || change === 'overwritten') continue
    snapshots += change === 'added' ? 1 : -1
    if (snapshots === 0) yield { code: 'no-snapshots-left', at }
  }
}

function markOf({ kind, change, at }: TimedEvent, made: Date | undefined): MarkCode | undefined {
  if (kind === 'config') return change === 'added' ? undefined : 'config-changed'
  if (kind === 'keys' && change === 'deleted') return 'keys-deleted'
  if (kind === 'keys' && change === 'added') {
    return made === undefined || Math.abs(Number(at) - Number(made)) < INIT_MS ? undefined : 'keys-added'
  }
  return change === 'overwritten' && kind !== 'other' ? 'overwritten' : undefined
}

function isLocked(locks: readonly LockSpan[], at: Date): boolean {
  return locks.some(
    ({ from, to }) => Number(from) - TOLERANCE_MS <= Number(at) && Number(at) <= Number(to) + TOLERANCE_MS,
  )
}
