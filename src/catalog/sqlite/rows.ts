import type { SQLInputValue } from 'node:sqlite'
import type { Finding } from '../../model/finding.ts'
import { PROOF_LEVELS, type ProofLevel, type ProofRecord } from '../../model/recovery-point.ts'
import {
  type AlertRecord,
  type Attempt,
  type JobRecord,
  type NoticeRecord,
  RUN_OUTCOMES,
  type RunEnd,
  type RunOutcome,
  type RunRecord,
  SLOT_PHASES,
  type SlotRecord,
} from '../catalog.ts'

/** What the tables hold, and back. */

type Row = Readonly<Record<string, unknown>>

/** As in the column: 1 `checked`, 2 `restored`; negative where that failed. */
export const strengthOf = (level: ProofLevel): number => PROOF_LEVELS.indexOf(level) + 1

export function toProof(row: Row): ProofRecord {
  const level = PROOF_LEVELS[Number(row.strength) - 1]
  return { proof: level ?? 'failed', at: new Date(String(row.at)) }
}

const timeOf = (value: unknown): Date | undefined => (typeof value === 'string' ? new Date(value) : undefined)
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** Of a later version it may be one that we do not know. */
const outcomeOf = (value: unknown): RunOutcome => RUN_OUTCOMES.find(outcome => outcome === value) ?? 'failed'

export function toJob(row: Row): JobRecord {
  return {
    name: String(row.name),
    schedule: String(row.schedule),
    since: new Date(String(row.since)),
    pausedUntil: timeOf(row.paused_until),
  }
}

/** In the order of the table. */
export function slotColumns(slot: SlotRecord): SQLInputValue[] {
  const { job, at, wall, timezone, schedule, attempt, phase, changedAt, owner, run } = slot
  const ownerText = owner === undefined ? null : JSON.stringify(owner)
  const times = [at.toISOString(), changedAt.toISOString()] as const
  return [job, times[0], wall, timezone, schedule, attempt, phase, times[1], ownerText, run ?? null]
}

export function toSlot(row: Row): SlotRecord {
  const owner = textOf(row.owner)
  return {
    job: String(row.job),
    at: new Date(String(row.at)),
    wall: String(row.wall),
    timezone: String(row.timezone),
    schedule: String(row.schedule),
    attempt: Number(row.attempt),
    phase: SLOT_PHASES.find(phase => phase === row.phase) ?? 'failed',
    changedAt: new Date(String(row.changed_at)),
    owner: owner === undefined ? undefined : (JSON.parse(owner) as SlotRecord['owner']),
    run: textOf(row.run),
  }
}

export function toAlert(row: Row): AlertRecord {
  return {
    key: String(row.key),
    finding: JSON.parse(String(row.finding)) as Finding,
    openedAt: new Date(String(row.opened_at)),
    toldAt: timeOf(row.told_at),
    told: Number(row.told),
    missingSince: timeOf(row.missing_since),
    silencedUntil: timeOf(row.silenced_until),
    closedAt: timeOf(row.closed_at),
  }
}

export function toNotice(row: Row): NoticeRecord {
  return {
    id: String(row.id),
    notifier: String(row.notifier),
    content: String(row.content),
    createdAt: new Date(String(row.created_at)),
    tries: Number(row.tries),
    nextAt: new Date(String(row.next_at)),
    failure: textOf(row.failure),
    settledAt: timeOf(row.settled_at),
  }
}

export function toRun(row: Row, attempts: readonly Attempt[]): RunRecord {
  return {
    id: String(row.id),
    operation: String(row.operation),
    policy: textOf(row.policy),
    startedAt: new Date(String(row.started_at)),
    owner: JSON.parse(String(row.owner)) as RunRecord['owner'],
    end: toEnd(row),
    attempts,
  }
}

function toEnd(row: Row): RunEnd | undefined {
  if (row.outcome === null) return undefined
  return {
    outcome: outcomeOf(row.outcome),
    finishedAt: new Date(String(row.finished_at)),
    findings: JSON.parse(String(row.findings)) as Finding[],
  }
}

export function toAttempt(row: Row): Attempt {
  return {
    operation: String(row.operation),
    source: textOf(row.source),
    repository: textOf(row.repository),
    startedAt: new Date(String(row.started_at)),
    finishedAt: new Date(String(row.finished_at)),
    outcome: outcomeOf(row.outcome),
    snapshot: textOf(row.snapshot),
    statistics: JSON.parse(String(row.statistics)) as Attempt['statistics'],
    findings: JSON.parse(String(row.findings)) as Finding[],
  }
}
