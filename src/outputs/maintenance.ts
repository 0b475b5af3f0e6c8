import { z } from 'zod'
import type { NamedCheckResult } from '../operations/check/check-repository.ts'
import type { Judged } from '../operations/forget/decide.ts'
import type { Forgotten } from '../operations/forget/forget-snapshots.ts'
import type { NamedPruneReport } from '../operations/prune/prune.ts'
import type { Snapshot } from '../repository/index.ts'
import { bytes, count, failed, findings, id, type Json, repositoryName, shortId, time } from './fields.ts'
import { shortIdOf } from './point.ts'

const checked = z.strictObject({
  repository: repositoryName,
  whole: z.boolean(),
  snapshots: count,
  packs: count,
  blobs: count,
  packsRead: count,
  bytesRead: bytes,
  packsArchived: count.describe('neither read nor looked into: they have to be thawed first'),
  proven: count.describe('snapshots that are now proven `checked`'),
  coverage: z
    .strictObject({
      packsRead: count,
      packsNeverRead: count,
      readBytes: bytes,
      totalBytes: bytes,
      oldestReadAt: time.nullable().describe('when the pack was read that was not read for longest; null: none was'),
    })
    .describe('what checks of this machine have read by now of the packs that are there, and found sound'),
  findings,
})

const pruned = z.strictObject({
  repository: repositoryName,
  packsKept: count,
  packsRemoved: count,
  packsRepacked: count,
  bytesBefore: bytes,
  bytesAfter: bytes,
  bytesUnusedLeft: bytes,
  waiting: z
    .strictObject({ packs: count, bytes, until: time.nullable().describe('null: the storage does not say') })
    .nullable()
    .describe('what nothing needs and is still locked in the storage'),
  log: z
    .strictObject({ files: count, bytes })
    .optional()
    .describe('files of PostgreSQL’s log that no backup needs any more; absent where there is no log'),
  findings,
})

const briefSnapshot = z.strictObject({ id, shortId, time })

const lock = z.strictObject({
  id,
  time,
  exclusive: z.boolean(),
  hostname: z.string(),
  username: z.string(),
  pid: count,
  stale: z.boolean(),
})

const forgotten = z.strictObject({
  repository: repositoryName,
  group: z.string(),
  keep: z.array(briefSnapshot.extend({ reasons: z.array(z.string()) })),
  remove: z.array(briefSnapshot.extend({ reasons: z.array(z.string()).describe('why no rule keeps it') })),
})

const lockReason = z.strictObject({
  code: z.enum(['storage', 'settings', 'bucket', 'try', 'objects']),
  holds: z.boolean().nullable().describe('does it speak for the backups? null: it could not be found out'),
  message: z.string().describe('what was found, and how'),
})

const checkedLocks = z.strictObject({
  repository: repositoryName,
  verdict: z
    .enum(['protected', 'not-protected', 'unknown'])
    .describe('can whoever gets the key of the storage destroy the backups?'),
  until: time.nullable().describe('until when they are protected, if no backup extends that'),
  reasons: z.array(lockReason),
  advice: z.array(z.string()).describe('what to do; empty where they are protected'),
})

/** Of the commands that keep repositories in order. */
export const MAINTENANCE_OUTPUTS = {
  check: z.union([
    z.strictObject({
      whole: z.boolean().describe('no finding is an error, and no repository failed'),
      findings: findings.describe('those of all repositories'),
      repositories: z.array(checked),
      failed,
    }),
    z.strictObject({ immutable: z.array(checkedLocks), failed }).describe('with --immutable'),
  ]),
  forget: z.strictObject({
    dryRun: z.boolean(),
    groups: z.array(forgotten),
    prune: z.array(pruned).nullable().describe('null without --prune'),
    failed,
  }),
  prune: z.strictObject({
    dryRun: z.boolean(),
    bytesBefore: bytes.describe('of all repositories'),
    bytesAfter: bytes,
    findings,
    repositories: z.array(pruned),
    failed,
  }),
  unlock: z.strictObject({
    repositories: z.array(z.strictObject({ repository: repositoryName, removed: z.array(lock) })),
    failed,
  }),
}

export function prunedJson({ waiting, ...report }: NamedPruneReport): Json<typeof pruned> {
  return { ...report, waiting: waiting === undefined ? null : { ...waiting, until: waiting.until ?? null } }
}

export function checkedJson({ coverage, ...result }: NamedCheckResult): Json<typeof checked> {
  return { ...result, coverage: { ...coverage, oldestReadAt: coverage.oldestReadAt ?? null } }
}

export function forgottenJson({ repository, group, keep, remove }: Forgotten): Json<typeof forgotten> {
  return {
    repository,
    group,
    keep: keep.map(judgedJson),
    remove: remove.map(judgedJson),
  }
}

const judgedJson = ({ snapshot, reasons }: Judged) => ({ ...brief(snapshot), reasons })

const brief = ({ id: snapshot, time: at }: Snapshot) => ({ id: snapshot, shortId: shortIdOf(snapshot), time: at })
