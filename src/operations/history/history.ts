import type { Workspace } from '../workspace/workspace.ts'
import { CHANGES, type Change, type HistoryEvent, type Kind } from './events.ts'
import { findMarks, type Mark, type MarkCode, momentBefore, type Span, type TimedEvent } from './marks.ts'
import { readPast } from './read-past.ts'

export interface HistoryWish {
  /** Its name, or its URL. */
  readonly repository: string
  readonly since?: Date | undefined
  readonly until?: Date | undefined
}

export type Counts = Readonly<Partial<Record<Kind, number>>>

/** An hour in which something happened. */
export interface HistoryHour extends Readonly<Record<Change, Counts>> {
  /** Its beginning. */
  readonly hour: Date
  /** What is suspicious in it, each once. */
  readonly suspicious: readonly MarkCode[]
}

export interface HistoryResult {
  readonly repository: string
  readonly location: string
  /** False where nothing is kept of what was overwritten or deleted; then nothing else is told. */
  readonly keepsVersions: boolean
  /** Oldest first. */
  readonly hours: readonly HistoryHour[]
  /** Of each kind and hour the first, oldest first. */
  readonly suspicious: readonly Mark[]
  /** Deletions whose time the storage does not tell. */
  readonly undated: number
  /** The last second before the first of what is suspicious. */
  readonly before: Date | undefined
}

const HOUR_MS = 60 * 60_000
const NOTHING = { keepsVersions: false, hours: [], suspicious: [], undated: 0, before: undefined } as const

/**
 * When objects of a repository were added, overwritten and deleted, from the versions that its bucket keeps. Needs no
 * password: the keys may be gone.
 */
export async function readHistory(
  workspace: Pick<Workspace, 'openStorage' | 'catalog'>,
  { repository, since, until }: HistoryWish,
  signal: AbortSignal,
): Promise<HistoryResult> {
  const storage = await workspace.openStorage(repository)
  try {
    const { location } = storage
    const past = await readPast(storage.history, signal)
    if (past === undefined) return { ...NOTHING, repository, location }
    const { events, locks } = past
    const timed = events.filter(isTimed).toSorted((a, b) => Number(a.at) - Number(b.at))
    const known = { locks, runs: await ownRuns(workspace, repository) }
    const marks = [...findMarks(timed, known)]
    const isWanted = ({ at }: { readonly at: Date }): boolean => at >= (since ?? at) && at <= (until ?? at)
    const suspicious = firstOfHour(marks.filter(isWanted))
    return {
      repository,
      location,
      keepsVersions: true,
      hours: hoursOf(timed.filter(isWanted), suspicious),
      suspicious,
      undated: events.length - timed.length,
      before: momentBefore(suspicious),
    }
  } finally {
    await storage.close()
  }
}

/** Commands of this machine that delete data or change keys. */
const DELETING = ['forget', 'prune', 'key add', 'key remove', 'key passwd']
const MANY_RUNS = 10_000

async function ownRuns({ catalog }: Pick<Workspace, 'catalog'>, repository: string): Promise<Span[]> {
  const runs = await Promise.all(DELETING.map(operation => catalog.listRuns({ operation, limit: MANY_RUNS })))
  const attempts = runs.flat().flatMap(run => run.attempts)
  return attempts.flatMap(({ repository: name, startedAt, finishedAt }) =>
    name === repository ? [{ from: startedAt, to: finishedAt }] : [],
  )
}

const isTimed = (event: HistoryEvent): event is TimedEvent => event.at !== undefined

const hourOf = (at: Date): number => Math.floor(Number(at) / HOUR_MS) * HOUR_MS

function firstOfHour(marks: readonly Mark[]): Mark[] {
  return [...Map.groupBy(marks, ({ code, at }) => `${code} ${hourOf(at)}`).values()].flatMap(([first]) => first ?? [])
}

function hoursOf(events: readonly TimedEvent[], marks: readonly Mark[]): HistoryHour[] {
  return [...Map.groupBy(events, ({ at }) => hourOf(at))].map(([hour, members]) => ({
    hour: new Date(hour),
    ...(Object.fromEntries(CHANGES.map(change => [change, countsOf(members, change)])) as Record<Change, Counts>),
    suspicious: marks.filter(({ at }) => hourOf(at) === hour).map(({ code }) => code),
  }))
}

function countsOf(events: readonly TimedEvent[], change: Change): Counts {
  const kinds = Map.groupBy(
    events.filter(event => event.change === change),
    ({ kind }) => kind,
  )
  return Object.fromEntries([...kinds].map(([kind, members]) => [kind, members.length]))
}
