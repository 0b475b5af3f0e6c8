import { z } from 'zod'
import { RUN_OUTCOMES } from '../catalog/catalog.ts'
import type { ListedRun } from '../operations/runs/runs.ts'
import { count, findings, id, type Json, repositoryName, time } from './fields.ts'

const outcome = z.enum(RUN_OUTCOMES)

const run = z.strictObject({
  run: z.string().describe('its id'),
  operation: z.string(),
  policy: z.string().nullable(),
  state: z
    .union([outcome, z.enum(['running', 'killed', 'unknown'])])
    .describe('`killed`: its process is gone; `unknown`: it is of another host or container'),
  startedAt: time,
  finishedAt: time.nullable().describe('null: it has not ended'),
  hostname: z.string(),
  pid: count,
  attempts: z.array(
    z.strictObject({
      operation: z.string(),
      source: z.string().nullable(),
      repository: repositoryName.nullable(),
      startedAt: time,
      finishedAt: time,
      outcome,
      snapshot: id.nullable(),
      statistics: z.record(z.string(), z.number()).describe('figures of the operation'),
      findings,
    }),
  ),
  findings: findings.describe('of the run itself; attempts have their own'),
})

export const RUNS_OUTPUTS = {
  runs: z.array(run).describe('Oldest first.'),
  'runs cancel': z.strictObject({ run: z.string(), pid: count.describe('the process that was told to end') }),
}

export function runJson({
  id: name,
  policy,
  state,
  startedAt,
  end,
  owner,
  attempts,
  operation,
}: ListedRun): Json<typeof run> {
  return {
    run: name,
    operation,
    policy: policy ?? null,
    state,
    startedAt,
    finishedAt: end?.finishedAt ?? null,
    hostname: owner.hostname,
    pid: owner.pid,
    attempts: attempts.map(attempt => ({
      ...attempt,
      source: attempt.source ?? null,
      repository: attempt.repository ?? null,
      snapshot: attempt.snapshot ?? null,
    })),
    findings: end?.findings ?? [],
  }
}
