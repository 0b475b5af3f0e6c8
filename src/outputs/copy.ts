import { z } from 'zod'
import type { CopyAttempt, PlannedCopying } from '../operations/copy/copy-repositories.ts'
import {
  bytes,
  count,
  errorJson,
  errorOutput,
  findings,
  id,
  type Json,
  repositoryName,
  shortId,
  time,
} from './fields.ts'
import { shortIdOf } from './point.ts'

const job = {
  from: repositoryName,
  to: repositoryName,
  sources: z.array(z.string()).nullable().describe('null: everything that is there'),
}

const copied = z.strictObject({
  ...job,
  copied: z.array(
    z.strictObject({ from: id.describe('its id where it was copied from'), snapshot: id, shortId, time }),
  ),
  present: count.describe('recovery points that were there already'),
  leftOut: z.array(id).describe('those that could not be copied, for they need what is damaged: see findings'),
  blobs: count,
  bytesRead: bytes,
  bytesStored: bytes.describe('in new packs'),
  pins: count.describe('pins that were taken over'),
  log: z.strictObject({ files: count, bytes }).nullable().describe('of PostgreSQL’s log; null where there is none'),
  complete: z.boolean().describe('all that was asked for is there now'),
  durationMs: count,
  findings,
})

const notCopied = z
  .strictObject({ ...job, error: errorOutput.shape.error })
  .describe('two repositories between which nothing could be copied')

const planned = z.strictObject({
  ...job,
  missing: z.array(z.strictObject({ snapshot: id, shortId, time })).describe('what would be copied'),
  present: count,
  bytes: bytes.describe('about what that takes, without logs'),
})

/** One for each two repositories. */
export const copies = z.array(z.union([copied, notCopied]))

const copyOutput = z.strictObject({ dryRun: z.literal(false), copies })
const plannedOutput = z
  .strictObject({ dryRun: z.literal(true), copies: z.array(z.union([planned, notCopied])) })
  .describe('with --dry-run')

export const COPY_OUTPUTS = { copy: z.union([copyOutput, plannedOutput]) }

export function copyJson(attempts: readonly CopyAttempt[]): Json<typeof copyOutput> {
  return { dryRun: false, copies: copiesJson(attempts) }
}

export function copiesJson(attempts: readonly CopyAttempt[]): Json<typeof copies> {
  return attempts.map(attemptJson)
}

function attemptJson(attempt: CopyAttempt): Json<typeof copied | typeof notCopied> {
  const { from, to, sources = null } = attempt
  if ('error' in attempt) return { from, to, sources, ...errorJson(attempt.error) }
  const { copied: done, present, log, ...figures } = attempt.result
  return {
    from,
    to,
    sources,
    ...figures,
    copied: done.map(({ from: original, snapshot }) => ({ from: original, ...brief(snapshot) })),
    present: present.length,
    log: log ?? null,
  }
}

export function plannedCopyJson(jobs: readonly PlannedCopying[]): Json<typeof plannedOutput> {
  const one = (each: PlannedCopying): Json<typeof planned | typeof notCopied> => {
    const { from, to, sources = null } = each
    if ('error' in each) return { from, to, sources, ...errorJson(each.error) }
    return { from, to, sources, ...each.plan, missing: each.plan.missing.map(brief) }
  }
  return { dryRun: true, copies: jobs.map(one) }
}

const brief = ({ id: snapshot, time: at }: { readonly id: string; readonly time: Date }) => ({
  snapshot,
  shortId: shortIdOf(snapshot),
  time: at,
})
