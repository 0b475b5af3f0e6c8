import { z } from 'zod'
import { AppError } from '../base/errors.ts'
import { HOOK_NAMES } from '../model/hook.ts'
import { BACKUP_TYPES } from '../model/manifest.ts'
import { PROOF_LEVELS } from '../model/recovery-point.ts'
import { checksSchema, reportSchema } from '../model/report-schema.ts'
import type { Arrived, BackedUp, BackupAttempt, BackupOutcome } from '../operations/backup/back-up.ts'
import type { PlannedCopy } from '../operations/backup/plan-backup.ts'
import type { Copy } from '../operations/verify/due.ts'
import type { Verified, VerifyAttempt } from '../operations/verify/prove.ts'
import { copies, copiesJson } from './copy.ts'
import {
  absolutePath,
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
import { incompleteSchema } from './incomplete.ts'
import { pointJson } from './point.ts'

const verified = z.strictObject({
  source: z.string(),
  kind: z.string(),
  repository: repositoryName,
  snapshot: id,
  shortId,
  time,
  run: z.string().describe('id of the run: `lifeboat report` shows its report'),
  level: z.enum(PROOF_LEVELS).describe('what was asked for'),
  passed: z.boolean().describe('what comes out is what was captured'),
  damaged: z.boolean().describe('bytes of it are lost or changed'),
  incomplete: incompleteSchema,
  proof: z.enum(PROOF_LEVELS).nullable().describe('what is now proven; null: it did not pass'),
  checks: checksSchema,
  steps: reportSchema.shape.steps,
  bytesRead: bytes.describe('size of what was read'),
  durationMs: count,
  findings,
})

const notVerified = z
  .strictObject({ source: z.string(), error: errorOutput.shape.error })
  .describe('a source that could not be verified while others could')

const verification = z
  .union([verified, notVerified])
  .optional()
  .describe('where a policy says `verify` and it was due; with `error` where it could not be tried')

const backedUp = z.strictObject({
  source: z.string(),
  kind: z.string(),
  type: z.enum(BACKUP_TYPES),
  repository: repositoryName,
  run: z.string().describe('id of the run, also in the snapshot’s tags'),
  snapshot: id,
  shortId,
  time,
  parent: id.nullable().describe('the snapshot that it was taken relative to'),
  files: count,
  sizeBytes: bytes.describe('what a restore would write'),
  bytesRead: bytes.describe('read from the source'),
  bytesNew: bytes.describe('of these, what the repository did not have'),
  bytesStored: bytes.describe('what that takes there, compressed and encrypted'),
  durationMs: count,
  complete: z.boolean().describe('false: something is missing or changed while it was read, see findings'),
  incomplete: incompleteSchema,
  findings,
  verification,
})

const arrived = z
  .strictObject({
    source: z.string(),
    repository: repositoryName,
    from: repositoryName.describe('the repository that it was captured into'),
    snapshot: id,
    shortId,
    time,
    verification,
  })
  .describe('the same recovery point in another repository')

const notBackedUp = z
  .strictObject({ source: z.string(), repository: repositoryName, error: errorOutput.shape.error })
  .describe('what a repository does not have; `copy-later`: not yet, while another one has it')

const backupOutput = z.strictObject({
  run: z.string().describe('id of the run'),
  sources: z.array(z.union([backedUp, arrived, notBackedUp])).describe('one entry for each source and repository'),
  copies: copies.describe('what was brought from one repository to another, with what that fell behind with before'),
  hooks: z
    .array(
      z.strictObject({
        policy: z.string(),
        hook: z.enum(HOOK_NAMES),
        error: errorOutput.shape.error,
      }),
    )
    .describe('hooks of policies that failed'),
})

const plannedBackup = z.strictObject({
  source: z.string(),
  repository: repositoryName,
  kind: z.string(),
  type: z.enum(BACKUP_TYPES),
  parent: id.nullable().describe('the snapshot that it would be taken relative to'),
  policies: z.array(z.string()).describe('that it would be taken for'),
  verify: z.enum(PROOF_LEVELS).nullable().describe('how far it would be verified; null: not now'),
  excluded: z.array(absolutePath).describe('folders in the source that are Lifeboat’s own'),
  ready: z.boolean().describe('false: it could not be captured now'),
  findings,
})

const plannedArrival = plannedBackup
  .pick({ source: true, repository: true, policies: true, verify: true })
  .extend({ from: repositoryName.describe('where it would be copied from') })

const plannedOutput = z
  .strictObject({ dryRun: z.literal(true), copies: z.array(z.union([plannedBackup, plannedArrival, notBackedUp])) })
  .describe('with --dry-run')

/** Of the commands that take recovery points and prove them. */
export const BACKUP_OUTPUTS = {
  backup: z.union([backupOutput, plannedOutput]),
  verify: z.strictObject({
    passed: z.boolean().describe('all of them'),
    verified: z.array(z.union([verified, notVerified])).describe('one for each recovery point'),
  }),
}

export function backupJson({ run, attempts, copies: brought, hooks }: BackupOutcome): Json<typeof backupOutput> {
  return {
    run,
    sources: attempts.map(attemptJson),
    copies: copiesJson(brought),
    hooks: hooks.map(({ policy, hook, error }) => ({ policy, hook, ...errorJson(error) })),
  }
}

function attemptJson(attempt: BackupAttempt): Json<typeof backedUp | typeof arrived | typeof notBackedUp> {
  const { source, repository } = attempt
  if ('error' in attempt) return { source, repository, ...errorJson(attempt.error) }
  if ('from' in attempt) return arrivedJson(attempt)
  const { snapshot, parent, incomplete, knownFindings: _, ...figures } = attempt.result
  return {
    ...figures,
    ...pointJson({ name: repository, snapshot }),
    parent: parent ?? null,
    incomplete: incomplete ?? null,
    ...verificationJson(source, attempt.verification),
  }
}

function arrivedJson({
  source,
  repository,
  from,
  snapshot,
  verification: proof,
}: Copy & Arrived): Json<typeof arrived> {
  return { ...pointJson({ name: repository, snapshot }), source, from, ...verificationJson(source, proof) }
}

function verificationJson(
  source: string,
  proof: BackedUp['verification'],
): { readonly verification?: Json<typeof verified | typeof notVerified> } {
  if (proof === undefined) return {}
  return { verification: proof instanceof AppError ? { source, ...errorJson(proof) } : verifiedJson(proof) }
}

export function plannedJson(planned: readonly PlannedCopy[]): Json<typeof plannedOutput> {
  const one = (copy: PlannedCopy): Json<typeof plannedBackup | typeof plannedArrival | typeof notBackedUp> => {
    if ('error' in copy) return { source: copy.source, repository: copy.repository, ...errorJson(copy.error) }
    const verify = copy.verify ?? null
    return 'from' in copy ? { ...copy, verify } : { ...copy, parent: copy.parent ?? null, verify }
  }
  return { dryRun: true, copies: planned.map(one) }
}

export function attemptedProofJson(attempt: VerifyAttempt): Json<typeof verified | typeof notVerified> {
  return 'error' in attempt ? { source: attempt.source, ...errorJson(attempt.error) } : verifiedJson(attempt)
}

function verifiedJson({ chosen, result, report }: Verified): Json<typeof verified> {
  const { proof, incomplete, ...rest } = result
  return { ...rest, proof: proof ?? null, incomplete: incomplete ?? null, run: report.run, ...pointJson(chosen) }
}
