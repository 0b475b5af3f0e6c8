import { AppError } from '../base/errors.ts'
import { isPart } from './manifest.ts'
import { isSafetyPoint, labelsOf } from './recovery-point.ts'
import { Calendar, type CivilTime, formatRetentionDuration, isoWeek, type RetentionDuration } from './retention-time.ts'
import { describeWrongTime, findWrongTime, type TimedSnapshot } from './snapshot-time.ts'

/**
 * Which snapshots stay. A snapshot stays when any rule wants it. The same rules as restic's.
 *
 * @see https://restic.readthedocs.io/en/stable/060_forget.html
 */
export interface RetentionRules {
  /** The newest n. -1, here and below: all. */
  readonly last?: number | undefined
  /** The newest of each of the last n hours (days, ...) that have one. */
  readonly hourly?: number | undefined
  readonly daily?: number | undefined
  readonly weekly?: number | undefined
  readonly monthly?: number | undefined
  readonly yearly?: number | undefined
  /** All so near to the newest. */
  readonly within?: RetentionDuration | undefined
  /** The newest of each hour (day, ...) so near to the newest. */
  readonly withinHourly?: RetentionDuration | undefined
  readonly withinDaily?: RetentionDuration | undefined
  readonly withinWeekly?: RetentionDuration | undefined
  readonly withinMonthly?: RetentionDuration | undefined
  readonly withinYearly?: RetentionDuration | undefined
  /** All that it takes to recover any moment of the last so long: those within it, and the newest before it. */
  readonly window?: RetentionDuration | undefined
  /** All with one of these; `a,b` means both. */
  readonly tags?: readonly string[] | undefined
}

export interface RetentionContext {
  /** IANA name: where a day begins. */
  readonly timezone: string
  readonly now: Date
}

/** What the rules look at. */
export interface RetainedSnapshot extends TimedSnapshot {
  readonly tags: readonly string[]
}

export interface RetentionDecision<S> {
  readonly snapshot: S
  readonly keep: boolean
  /** Why it stays: `daily snapshot`, `within 30d`, `newest`, ... When it goes, why no rule keeps it. */
  readonly reasons: readonly string[]
  /** Does a rule want it? Else it stays only because nothing better would be left, or because of its time. */
  readonly byRule: boolean
}

type BucketName = 'hourly' | 'daily' | 'weekly' | 'monthly' | 'yearly'

const BUCKETS: Readonly<Record<BucketName, (civil: CivilTime) => string>> = {
  hourly: civil => `${civil.year}-${civil.month}-${civil.day}-${civil.hour}`,
  daily: civil => `${civil.year}-${civil.month}-${civil.day}`,
  weekly: civil => `${isoWeek(civil).year}-${isoWeek(civil).week}`,
  monthly: civil => `${civil.year}-${civil.month}`,
  yearly: civil => `${civil.year}`,
}

const WITHIN = {
  hourly: 'withinHourly',
  daily: 'withinDaily',
  weekly: 'withinWeekly',
  monthly: 'withinMonthly',
  yearly: 'withinYearly',
} as const satisfies Record<BucketName, keyof RetentionRules>

const NAMES = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const

/**
 * Decides over the snapshots of one group, newest first. The newest stays whatever the rules say. Those whose time is
 * wrong stay too and count for nothing: what a wrong clock made, or somebody with bad intentions, must not take the place
 * of a good one. `usage` when no rule is given.
 */
export function applyRetention<S extends RetainedSnapshot>(
  snapshots: readonly S[],
  rules: RetentionRules,
  context: RetentionContext,
): RetentionDecision<S>[] {
  assertRules(rules)
  const calendar = new Calendar(context.timezone)
  const all = snapshots.toSorted((a, b) => b.time.getTime() - a.time.getTime())
  const ordered = all.filter(snapshot => findWrongTime(snapshot, context.now) === undefined)
  const latest = ordered[0]
  const judges = [
    tagJudge(rules.tags ?? []),
    ...(rules.within ? [withinJudge(rules.within, calendar, latest)] : []),
    ...(rules.window ? [windowJudge(rules.window, calendar, context.now)] : []),
    ...bucketJudges(rules, calendar),
    ...bucketWithinJudges(rules, calendar, latest),
  ]
  const decided = ordered.map((snapshot, at) => {
    const rank: Rank = { at, oldest: at === ordered.length - 1 }
    const verdicts = judges.map(judge => judge(snapshot, rank))
    const keeps = verdicts.flatMap(({ keep = [] }) => keep)
    if (keeps.length > 0) return { snapshot, keep: true, reasons: keeps, byRule: true }
    if (at === 0) return { snapshot, keep: true, reasons: ['newest'], byRule: false }
    return { snapshot, keep: false, reasons: [...new Set(verdicts.flatMap(({ go = [] }) => go))], byRule: false }
  })
  return [...all.flatMap(snapshot => keptForItsTime(snapshot, context.now)), ...decided]
}

function keptForItsTime<S extends RetainedSnapshot>(snapshot: S, now: Date): RetentionDecision<S>[] {
  const wrong = findWrongTime(snapshot, now)
  if (wrong === undefined) return []
  return [{ snapshot, keep: true, reasons: [describeWrongTime(wrong)], byRule: false }]
}

/** Throws `usage` when nothing would be kept on purpose, or a count makes no sense. */
export function assertRules(rules: RetentionRules): void {
  for (const name of ['last', ...NAMES] as const) {
    const count = rules[name] ?? 0
    if (!Number.isSafeInteger(count) || count < -1) {
      throw new AppError('usage', `cannot keep ${count} ${name} snapshots`, { hint: 'Write a whole number from 1 on.' })
    }
  }
  const given = Object.values(rules).some(rule =>
    typeof rule === 'number' ? rule !== 0 : Array.isArray(rule) ? rule.length > 0 : rule !== undefined,
  )
  if (!given) {
    throw new AppError('usage', 'no rule says which snapshots to keep', {
      hint: 'Give at least one, like --keep-last 3 or --keep-daily 7, or "keep" in the policy.',
    })
  }
}

interface Rank {
  readonly at: number
  readonly oldest: boolean
}

/** The reasons of one rule to keep a snapshot, or not to. */
type Verdict = { readonly keep: string[]; readonly go?: never } | { readonly go: string[]; readonly keep?: never }

/** Called for each in order, newest first. */
type Judge = (snapshot: RetainedSnapshot, rank: Rank) => Verdict

function tagJudge(lists: readonly string[]): Judge {
  const wanted = lists.map(list => ({ list, tags: list.split(',').map(tag => tag.trim()) }))
  return snapshot => {
    const had = wanted.filter(({ tags }) => tags.every(tag => snapshot.tags.includes(tag)))
    if (had.length > 0) return { keep: had.map(({ list }) => `has tags ${list}`) }
    return { go: wanted.length === 0 ? [] : [`has no tag ${lists.join(' or ')}`] }
  }
}

function withinJudge(duration: RetentionDuration, calendar: Calendar, latest: RetainedSnapshot | undefined): Judge {
  const reason = `within ${formatRetentionDuration(duration)}`
  const isWithin = nearness(duration, calendar, latest)
  return snapshot => (isWithin(snapshot) ? { keep: [reason] } : { go: [`not ${reason}`] })
}

/** The first moments of a window are recovered from the last backup before it, by its log. */
function windowJudge(duration: RetentionDuration, calendar: Calendar, now: Date): Judge {
  const reason = `covers the last ${formatRetentionDuration(duration)}`
  const limit = calendar.before(now, duration)
  let isCovered = false
  return snapshot => {
    if (isCovered) return { go: [`a later one ${reason}`] }
    isCovered = snapshot.time <= limit
    return { keep: [reason] }
  }
}

// With all snapshots in the future there is nothing to count from: keep.
function nearness(
  duration: RetentionDuration,
  calendar: Calendar,
  latest: RetainedSnapshot | undefined,
): (snapshot: RetainedSnapshot) => boolean {
  if (!latest) return () => true
  const limit = calendar.before(latest.time, duration)
  return snapshot => snapshot.time > limit
}

function bucketJudges(rules: RetentionRules, calendar: Calendar): Judge[] {
  const last = rules.last ?? 0
  const judges = last === 0 ? [] : [countedJudge('last snapshot', '', last, (_, rank) => String(rank.at))]
  for (const name of NAMES) {
    const count = rules[name] ?? 0
    const bucket = BUCKETS[name]
    if (count !== 0) {
      judges.push(
        countedJudge(`${name} snapshot`, PERIODS[name], count, snapshot => bucket(calendar.civil(snapshot.time))),
      )
    }
  }
  return judges
}

function bucketWithinJudges(rules: RetentionRules, calendar: Calendar, latest: RetainedSnapshot | undefined): Judge[] {
  return NAMES.flatMap(name => {
    const duration = rules[WITHIN[name]]
    if (!duration) return []
    const isWithin = nearness(duration, calendar, latest)
    const bucket = BUCKETS[name]
    const span = `within ${formatRetentionDuration(duration)}`
    const judge = countedJudge(`${name} ${span}`, PERIODS[name], -1, snapshot => bucket(calendar.civil(snapshot.time)))
    return [
      (snapshot: RetainedSnapshot, rank: Rank) =>
        isWithin(snapshot) ? judge(snapshot, rank) : { go: [`not ${span}`] },
    ]
  })
}

const PERIODS = { hourly: 'hour', daily: 'day', weekly: 'week', monthly: 'month', yearly: 'year' } as const

/**
 * Keeps the first of each bucket while the count lasts; with count left over, also the oldest of all.
 * @param period what a bucket is; empty: one snapshot
 */
function countedJudge(
  reason: string,
  period: string,
  count: number,
  bucketOf: (snapshot: RetainedSnapshot, rank: Rank) => string,
): Judge {
  let left = count
  let current: string | undefined
  return (snapshot, rank) => {
    const bucket = bucketOf(snapshot, rank)
    const isNew = bucket !== current
    if (!isNew && (left === 0 || !rank.oldest)) return { go: [`not the newest of its ${period}`] }
    if (left === 0) return { go: [beyond(count, period)] }
    current = bucket
    if (left > 0) left--
    return { keep: [isNew ? reason : `oldest ${reason}`] }
  }
}

function beyond(count: number, period: string): string {
  const unit = period === '' ? 'snapshot' : period
  const last = count === 1 ? `last ${unit}` : `last ${count} ${unit}s`
  return period === '' ? `not of the ${last}` : `not of the ${last} with any`
}

/**
 * What the rules are applied to one by one: the snapshots of one source on one host (two machines may well share a
 * repository and both have an `app`), those of its schema or data alone apart from the whole ones, lest a day's schema
 * crowd out its backup. What has no source tag (made by restic) goes by its paths and host, as in restic. The key is
 * for people.
 */
export function groupForRetention<
  S extends RetainedSnapshot & { readonly hostname: string; readonly paths: readonly string[] },
>(snapshots: readonly S[]): Map<string, S[]> {
  const groups = new Map<string, S[]>()
  for (const snapshot of snapshots) {
    const key = groupKey(snapshot)
    const group = groups.get(key)
    if (group) group.push(snapshot)
    else groups.set(key, [snapshot])
  }
  return groups
}

function groupKey(
  snapshot: RetainedSnapshot & { readonly hostname: string; readonly paths: readonly string[] },
): string {
  const { source, type } = labelsOf(snapshot.tags)
  if (source === undefined) return `${snapshot.hostname}:${snapshot.paths.toSorted().join(',')}`
  const apart = isSafetyPoint(snapshot.tags) ? 'safety' : isPart(type) ? type : undefined
  return `${source}@${snapshot.hostname}${apart === undefined ? '' : ` (${apart})`}`
}
