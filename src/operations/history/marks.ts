import type { HistoryEvent, Kind } from './events.ts'

/** What neither a backup nor `forget` nor `prune` does. */
export const MARKS = {
  'config-changed': 'the file "config" was overwritten or deleted: without it nothing can be opened',
  'keys-deleted': 'keys were deleted: their passwords open nothing any more',
  'keys-added': 'keys were added: new passwords open the repository',
  overwritten: 'objects were overwritten, which are never changed',
  'deleted-without-lock': 'data was deleted by somebody who held no lock, as forget and prune do',
  'no-snapshots-left': 'the last snapshot was deleted',
  'not-recorded': 'data was deleted by a forget or prune that is not recorded on this machine',
} as const
export type MarkCode = keyof typeof MARKS

export interface Mark {
  readonly code: MarkCode
  readonly at: Date
}

/** While somebody held a lock, or a command of this machine ran that deletes data or changes keys. */
export interface Span {
  readonly from: Date
  readonly to: Date
}

/** An event whose time is told. */
export type TimedEvent = HistoryEvent & { readonly at: Date }

/** Times of a service are whole seconds, and its machines do not quite agree. */
const TOLERANCE_MS = 5000
/** Our clock and that of the service may differ by more. */
const OTHER_CLOCK_MS = 10 * 60_000
/** Who attacks may forget and prune like anybody else before doing what nobody else does. */
const PRELUDE_MS = 24 * 60 * 60_000
/** A repository gets its first key, and whoever made it may change it again. */
const INIT_MS = 60 * 60_000
const UNDER_LOCK: ReadonlySet<Kind> = new Set(['packs', 'indexes', 'snapshots'])

export interface Known {
  /** While somebody held a lock. */
  readonly locks: readonly Span[]
  /** While this machine, by its own clock, deleted data or changed keys there. */
  readonly runs: readonly Span[]
}

/** @param events in the order of their times */
export function* findMarks(events: readonly TimedEvent[], { locks, runs }: Known): Generator<Mark> {
  const made = events.find(({ kind, change }) => kind === 'config' && change === 'added')?.at
  let snapshots = 0
  for (const event of events) {
    const { kind, change, at } = event
    const isOurs = isWithin(runs, at, OTHER_CLOCK_MS)
    const code = markOf(event, made)
    if (code !== undefined && !(isOurs && kind === 'keys')) yield { code, at }
    if (change === 'deleted' && UNDER_LOCK.has(kind)) {
      if (!isWithin(locks, at, TOLERANCE_MS)) yield { code: 'deleted-without-lock', at }
      else if (!isOurs) yield { code: 'not-recorded', at }
    }
    if (kind !== 'snapshots' || change === 'overwritten') continue
    snapshots += change === 'added' ? 1 : -1
    if (snapshots === 0) yield { code: 'no-snapshots-left', at }
  }
}

function markOf({ kind, change, at }: TimedEvent, made: Date | undefined): MarkCode | undefined {
  if (kind === 'config') return change === 'added' ? undefined : 'config-changed'
  if (kind === 'keys' && change !== 'overwritten') {
    const isNew = made !== undefined && Math.abs(Number(at) - Number(made)) < INIT_MS
    if (!isNew) return change === 'added' ? 'keys-added' : 'keys-deleted'
    return undefined
  }
  return change === 'overwritten' && kind !== 'other' ? 'overwritten' : undefined
}

function isWithin(spans: readonly Span[], at: Date, toleranceMs: number): boolean {
  return spans.some(
    ({ from, to }) => Number(from) - toleranceMs <= Number(at) && Number(at) <= Number(to) + toleranceMs,
  )
}

/**
 * The last second before what is suspicious, for `--as-of`. A forget or prune that nobody here knows of, in the day before
 * what is certainly wrong, belongs to it; where there is nothing else, the last one of them is meant.
 *
 * @param marks oldest first
 */
export function momentBefore(marks: readonly Mark[]): Date | undefined {
  const wrong = marks.find(({ code }) => code !== 'not-recorded')
  const first = wrong
    ? marks.find(({ at }) => Number(wrong.at) - Number(at) <= PRELUDE_MS)
    : marks.find(({ at }) => Number(marks.at(-1)?.at) - Number(at) <= TOLERANCE_MS)
  // A moment that is typed counts to the end of its second.
  return first && new Date(Math.floor(Number(first.at) / 1000) * 1000 - 1000)
}
