import { z } from 'zod'
import { PROOFS } from '../model/recovery-point.ts'
import type { Health } from '../operations/status/health.ts'
import type { SourceStatus, Status } from '../operations/status/status.ts'
import { count, findings, id, type Json, repositoryName, time } from './fields.ts'

const source = z.strictObject({
  source: z.string(),
  newest: z
    .strictObject({ id, time, repositories: z.array(repositoryName) })
    .nullable()
    .describe('the newest moment that can be gone back to; null: none, or its repositories could not be read'),
  ageMs: count.nullable(),
  allowedMs: count.nullable().describe('how old it may be; null: nobody said'),
  proven: z
    .strictObject({ proof: z.enum(PROOFS), at: time, time: time.describe('of the recovery point') })
    .nullable()
    .describe('the newest recovery point that was proven'),
  next: z.strictObject({ policy: z.string(), at: time }).nullable(),
})

/** What the commands that answer "is all well?" print with `--json`. */
export const STATUS_OUTPUTS = {
  status: z.strictObject({
    time,
    scheduler: z.strictObject({
      state: z.enum(['running', 'late', 'stopped', 'none']),
      tickedAt: time.nullable(),
      running: z.array(z.strictObject({ job: z.string(), run: z.string().nullable(), startedAt: time })),
    }),
    sources: z.array(source),
    problems: findings,
  }),
  health: z.strictObject({
    timestamp: time,
    healthy: z.boolean(),
    totalBackups: count.describe('that ended, of the newest thousand'),
    successRate: z.number().nullable().describe('percent'),
    consecutiveFailures: count,
    hoursSinceLastBackup: z.number().nullable().describe('of the source whose newest recovery point is the oldest'),
    runningTime: z.number().nullable().describe('hours that the scheduler runs; null: it does not'),
    problems: findings.describe('errors alone'),
  }),
}

export function statusJson({ takenAt, scheduler, sources, problems }: Status): Json<(typeof STATUS_OUTPUTS)['status']> {
  const { state, heartbeat } = scheduler
  return {
    time: takenAt,
    scheduler: {
      state,
      tickedAt: heartbeat?.tickedAt ?? null,
      running: heartbeat?.running.map(({ job, run, startedAt }) => ({ job, run, startedAt })) ?? [],
    },
    sources: sources.map(each => sourceJson(each, takenAt)),
    problems,
  }
}

function sourceJson({ newest, allowedMs, proven, next, ...rest }: SourceStatus, now: Date): Json<typeof source> {
  return {
    source: rest.source,
    newest: newest === undefined ? null : { id: newest.id, time: newest.time, repositories: rest.repositories },
    ageMs: newest === undefined ? null : Math.max(0, now.getTime() - newest.time.getTime()),
    allowedMs: allowedMs ?? null,
    proven: proven ?? null,
    next: next ?? null,
  }
}

export function healthJson(health: Health): Json<(typeof STATUS_OUTPUTS)['health']> {
  const { takenAt, errors, successRate, hoursSinceLastBackup, runningTime, ...rest } = health
  return {
    timestamp: takenAt,
    ...rest,
    successRate: successRate ?? null,
    hoursSinceLastBackup: hoursSinceLastBackup ?? null,
    runningTime: runningTime ?? null,
    problems: errors,
  }
}
