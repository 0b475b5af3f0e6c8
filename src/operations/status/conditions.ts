import { formatDuration } from '../../base/durations.ts'
import type { SlotRecord } from '../../catalog/catalog.ts'
import type { Finding } from '../../model/finding.ts'
import { newestSlot, nextSlot, type Schedule } from '../../model/schedule.ts'
import type { CopiedPoint, Freshness } from '../snapshots/copies-of-points.ts'

const HOUR_MS = 3_600_000
/** Where no objective is given: a day, and an hour for the backup itself. */
export const DEFAULT_RPO_MS = 25 * HOUR_MS
/** A backup takes its time; only then is one that was expected missing. */
const GRACE_MS = HOUR_MS
/** Backups that nobody tried to bring back for so long are a hope. */
const PROOF_AGE_MS = 35 * 24 * HOUR_MS
const MANY_FAILURES = 3

/** What is known of one source, from the repositories. */
export interface SourceFacts {
  readonly source: string
  readonly policies: readonly PolicyFacts[]
  /** Oldest first, without safety points and those of the future. */
  readonly points: readonly CopiedPoint[]
  /** In each repository that it belongs into. */
  readonly repositories: readonly Freshness[]
}

export interface PolicyFacts {
  readonly name: string
  readonly schedule: Schedule | undefined
  readonly rpoMs: number | undefined
  /** When the scheduler first saw this schedule; undefined: it never did. */
  readonly since: Date | undefined
  readonly pausedUntil: Date | undefined
  /** Of its job, newest first. */
  readonly slots: readonly SlotRecord[]
  readonly verifies: boolean
}

/** How old its newest recovery point may be, in milliseconds. Undefined: nobody said, and nothing is scheduled. */
export function allowedAge(policies: readonly PolicyFacts[], now: Date): number | undefined {
  const ages = policies.map(({ rpoMs, schedule }) => rpoMs ?? (schedule && usualAge(schedule, now)))
  const known = ages.filter(age => age !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

/** A weekly backup is not overdue after a day. */
function usualAge(schedule: Schedule, now: Date): number {
  const next = nextSlot(schedule, now)
  const following = next && nextSlot(schedule, next)
  return Math.max(DEFAULT_RPO_MS, following && next ? following.getTime() - next.getTime() + GRACE_MS : 0)
}

/** Can none of its repositories be read? Then nothing is known of it, good or bad. */
export function isUnknown({ repositories }: SourceFacts): boolean {
  return repositories.length > 0 && repositories.every(each => !each.isKnown)
}

/** What is wrong with a source, the worst first. Judged by what the repositories hold, never by what a run said of itself. */
export function conditionsOf(facts: SourceFacts, now: Date): Finding[] {
  const { source, points, policies } = facts
  const newest = points.at(-1)
  if (isUnknown(facts)) return []
  if (newest === undefined) {
    return [
      {
        severity: 'error',
        code: 'no-recovery-point',
        subject: source,
        message: 'there is no recovery point',
        hint: backupHint(facts),
      },
    ]
  }
  return [
    ...overdue(facts, newest, now),
    ...policies.flatMap(policy => missed(facts, policy, now)),
    ...policies.flatMap(failing),
    ...unproven(facts, newest, now),
    ...behind(facts, newest),
    ...incomplete(facts, newest),
  ]
}

function overdue(facts: SourceFacts, newest: CopiedPoint, now: Date): Finding[] {
  const limit = allowedAge(facts.policies, now)
  const age = now.getTime() - newest.time.getTime()
  if (limit === undefined || age <= limit) return []
  const message = `its newest recovery point is ${formatDuration(age)} old; ${formatDuration(limit)} are allowed`
  return [
    { severity: 'error', code: 'recovery-point-overdue', subject: facts.source, message, hint: backupHint(facts) },
  ]
}

/** A backup that was to be there by now, and is not. */
function missed({ source, points }: SourceFacts, policy: PolicyFacts, now: Date): Finding[] {
  const { name, schedule, since, pausedUntil } = policy
  if (schedule === undefined || since === undefined || (pausedUntil !== undefined && pausedUntil > now)) return []
  const slot = newestSlot(schedule, since, new Date(now.getTime() - GRACE_MS - (schedule.jitterMs ?? 0)))
  if (slot === undefined) return []
  if (points.some(point => point.time >= slot && (point.policies.length === 0 || point.policies.includes(name))))
    return []
  return [
    {
      severity: 'warning',
      code: 'run-missed',
      subject: source,
      message: `policy ${name} was to back it up at ${slot.toISOString()}, and no recovery point came of it`,
      hint: `See why with: lifeboat runs --operation backup`,
    },
  ]
}

function failing({ name, slots }: PolicyFacts): Finding[] {
  const ended = slots.filter(slot => slot.phase !== 'running')
  const lastDone = ended.findIndex(slot => slot.phase === 'done')
  const failed = lastDone === -1 ? ended.length : lastDone
  if (failed === 0) return []
  const times = failed === 1 ? 'once' : `${failed} times in a row`
  return [
    {
      severity: failed >= MANY_FAILURES ? 'error' : 'warning',
      code: 'policy-failing',
      subject: name,
      message: `it failed ${times}`,
      hint: `See why with: lifeboat runs ${ended[0]?.run?.slice(0, 8) ?? '--operation backup'}`,
    },
  ]
}

function unproven({ source, policies, points }: SourceFacts, newest: CopiedPoint, now: Date): Finding[] {
  if (newest.copies.some(copy => copy.proof === 'failed')) {
    const message = `its newest recovery point, ${newest.shortId}, did not pass its verification`
    return [
      {
        severity: 'error',
        code: 'proof-failed',
        subject: source,
        message,
        hint: 'See why with: lifeboat report --list',
      },
    ]
  }
  if (!policies.some(policy => policy.verifies)) return []
  const proven = points
    .flatMap(point => point.copies)
    .filter(copy => copy.proof === 'checked' || copy.proof === 'restored')
  const at = Math.max(0, ...proven.map(copy => copy.provenAt?.getTime() ?? 0))
  if (now.getTime() - at <= PROOF_AGE_MS || points[0] === undefined) return []
  // A source that is young has had no time to be proven.
  if (at === 0 && now.getTime() - points[0].time.getTime() <= PROOF_AGE_MS) return []
  const message =
    at === 0 ? 'no recovery point was ever proven' : `nothing was proven for ${formatDuration(now.getTime() - at)}`
  return [
    {
      severity: 'warning',
      code: 'proof-too-old',
      subject: source,
      message,
      hint: `Prove it with: lifeboat verify ${source}`,
    },
  ]
}

function behind({ source, repositories }: SourceFacts, newest: CopiedPoint): Finding[] {
  return repositories
    .filter(each => each.behind > 0 && each.newest !== newest.time)
    .map(each => ({
      severity: 'warning' as const,
      code: 'copy-behind',
      subject: source,
      message: `${each.repository} lacks ${each.behind} of its newer recovery points`,
      hint: `Copy them with: lifeboat copy --to ${each.repository}`,
    }))
}

function incomplete({ source }: SourceFacts, newest: CopiedPoint): Finding[] {
  if (newest.incomplete === 0) return []
  const message = `its newest recovery point lacks ${newest.incomplete} ${newest.incomplete === 1 ? 'thing' : 'things'}`
  return [
    {
      severity: 'warning',
      code: 'recovery-point-incomplete',
      subject: source,
      message,
      hint: `See which with: lifeboat ls ${newest.shortId}`,
    },
  ]
}

function backupHint({ source }: SourceFacts): string {
  return `Back it up with: lifeboat backup ${source}`
}
