import { z } from 'zod'
import { RUN_OUTCOMES } from '../catalog/catalog.ts'
import { HOOK_NAMES } from '../model/hook.ts'
import { BACKUP_TYPES } from '../model/manifest.ts'
import { PROOF_LEVELS, PROOFS } from '../model/recovery-point.ts'
import { reportSchema } from '../model/report-schema.ts'
import { BACKUP_OUTPUTS } from './backup.ts'
import { absolutePath, bytes, count, errorOutput, findings, id, repositoryName, shortId, time } from './fields.ts'
import { incompleteCount, incompleteSchema } from './incomplete.ts'
import { INIT_OUTPUTS } from './init.ts'
import { QUERY_OUTPUTS } from './query.ts'
import { RESTORE_OUTPUTS } from './restore.ts'
import { recoveryWindow, WAL_OUTPUTS } from './wal.ts'

/**
 * What every command prints with `--json`. The reference (docs/reference/json.md) is made from this, and the tests hold
 * real outputs to it. Fields may be added in later versions, never removed or changed.
 */

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

const pin = z.strictObject({
  until: time.nullable().describe('null: until it is removed'),
  reason: z.string().nullable(),
})

const snapshot = z.strictObject({
  id,
  shortId,
  time,
  source: z.string().nullable().describe('null: written by another program'),
  kind: z.string().nullable(),
  type: z.string().nullable(),
  repository: repositoryName,
  hostname: z.string(),
  paths: z.array(z.string()),
  tags: z.array(z.string()).describe('those that a person gave'),
  pin: pin.nullable().describe('what keeps it whatever the rules say; null: nothing does'),
  sizeBytes: bytes.nullable().describe('what a restore would write; null where the snapshot does not say'),
  addedBytes: bytes.nullable().describe('what it added to the repository, compressed and encrypted'),
  proof: z.enum(PROOFS).describe('how far it is proven that it comes back; `failed`: it did not pass'),
  provenAt: time.nullable().describe('when that was; null for `recorded`'),
  incomplete: incompleteCount,
  window: recoveryWindow.optional().describe('of a PostgreSQL cluster, when its source is named'),
})

const checked = z.strictObject({
  repository: repositoryName,
  whole: z.boolean(),
  snapshots: count,
  packs: count,
  blobs: count,
  packsRead: count,
  bytesRead: bytes,
  proven: count.describe('snapshots that are now proven `checked`'),
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
  log: z
    .strictObject({ files: count, bytes })
    .optional()
    .describe('files of PostgreSQL’s log that no backup needs any more; absent where there is no log'),
  findings,
})

const failed = z
  .array(errorOutput.extend({ repository: repositoryName }))
  .describe('repositories that could not be worked on; the exit code is that of the first')

const droppedSnapshot = z.strictObject({ id, shortId, time })

const key = z.strictObject({
  id,
  shortId,
  hostname: z.string(),
  username: z.string(),
  created: time,
  current: z.boolean().describe('the one that this command used'),
})

const lock = z.strictObject({
  id,
  time,
  exclusive: z.boolean(),
  hostname: z.string(),
  username: z.string(),
  pid: count,
  stale: z.boolean(),
})

const listedEntry = z.strictObject({
  path: z.string().describe('relative to the source’s folder; with a leading "/", to the snapshot’s root'),
  type: z.enum(['file', 'dir', 'symlink', 'dev', 'chardev', 'fifo', 'socket', 'irregular']),
  permissions: z.string().describe('as `ls -l` has it'),
  uid: count,
  gid: count,
  user: z.string().optional(),
  group: z.string().optional(),
  sizeBytes: bytes.optional().describe('files only'),
  modified: time,
  linkTarget: z.string().optional(),
})

const blobTotals = z.strictObject({
  blobs: count,
  plainBytes: bytes,
  storedBytes: bytes.describe('compressed and encrypted'),
})

const entryCounts = z.strictObject({ files: count, dirs: count, others: count, bytes })

const repositoryStatistics = z.strictObject({
  snapshots: count,
  packs: count,
  blobs: count,
  storedBytes: bytes,
  uncompressedBytes: bytes,
})

const snapshotPlace = { repository: repositoryName, snapshot: id, shortId, time }

/** By the command's name. */
export const JSON_OUTPUTS: Readonly<Record<string, z.ZodType>> = {
  ...INIT_OUTPUTS,
  ...BACKUP_OUTPUTS,
  runs: z.array(run).describe('Oldest first.'),
  'runs cancel': z.strictObject({ run: z.string(), pid: count.describe('the process that was told to end') }),
  snapshots: z.array(snapshot).describe('Oldest first.'),
  pin: z.strictObject({ ...snapshotPlace, pin }),
  unpin: z.strictObject({ ...snapshotPlace, removed: z.boolean().describe('false: it was not pinned') }),
  ...RESTORE_OUTPUTS,
  report: z.union([reportSchema, z.array(reportSchema).describe('with --list: oldest first')]),
  ls: z.strictObject({ ...snapshotPlace, incomplete: incompleteSchema, entries: z.array(listedEntry) }),
  cat: z.union([
    z.strictObject({
      ...snapshotPlace,
      path: z.string(),
      sizeBytes: bytes,
      content: z.string().describe('base64'),
    }),
    z
      .strictObject({
        repository: repositoryName,
        object: z.string(),
        id,
        sizeBytes: bytes,
        content: z.string().describe('base64'),
      })
      .describe('with --object'),
  ]),
  find: z.array(listedEntry.extend({ repository: repositoryName, snapshot: id, shortId })),
  diff: z.strictObject({
    repository: repositoryName,
    before: id,
    after: id,
    added: entryCounts,
    removed: entryCounts,
    changed: count,
    metadataChanged: count,
    newBlobs: blobTotals.describe('what only the later one holds'),
    goneBlobs: blobTotals.describe('what only the earlier one held'),
    changes: z.array(
      z.strictObject({
        path: z.string(),
        change: z.enum(['added', 'removed', 'content', 'type', 'metadata']),
        type: listedEntry.shape.type,
        sizeBefore: bytes.optional(),
        sizeAfter: bytes.optional(),
        unexplained: z.literal(true).optional().describe('changed though size, times and inode say otherwise'),
      }),
    ),
  }),
  stats: z.strictObject({
    repositories: z.array(
      z.strictObject({
        repository: repositoryName,
        whole: repositoryStatistics.describe('the whole repository, with what nothing uses any more'),
        snapshots: z.array(
          z.strictObject({ id, files: count, dirs: count, restoreBytes: bytes, incomplete: incompleteCount }),
        ),
        files: count,
        restoreBytes: bytes.describe('what restoring all of them would write'),
        data: blobTotals.describe('contents, each counted once'),
        trees: blobTotals,
        deduplication: z.number().describe('how often, on average, a byte is used'),
        compression: z.number(),
        findings: findings.describe('folders that are damaged and so not counted'),
      }),
    ),
    failed,
  }),
  check: z.strictObject({
    whole: z.boolean().describe('no finding is an error, and no repository failed'),
    findings: findings.describe('those of all repositories'),
    repositories: z.array(checked),
    failed,
  }),
  forget: z.strictObject({
    dryRun: z.boolean(),
    groups: z.array(
      z.strictObject({
        repository: repositoryName,
        group: z.string(),
        keep: z.array(droppedSnapshot.extend({ reasons: z.array(z.string()) })),
        remove: z.array(droppedSnapshot),
      }),
    ),
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
  'key list': z.strictObject({ repository: repositoryName, keys: z.array(key) }),
  'key add': z.strictObject({ repository: repositoryName, key }),
  'key remove': z.strictObject({ repository: repositoryName, removed: z.string() }),
  'key passwd': z.strictObject({
    repository: repositoryName,
    key,
    passwordFile: absolutePath.nullable().describe('the file that was changed too'),
  }),
  unlock: z.strictObject({
    repositories: z.array(z.strictObject({ repository: repositoryName, removed: z.array(lock) })),
    failed,
  }),
  'config check': z.strictObject({
    file: absolutePath,
    stateDir: absolutePath,
    repositories: z.array(z.strictObject({ name: repositoryName, url: z.string().describe('without a login') })),
    sources: z.array(
      z.strictObject({ name: z.string(), kind: z.string(), policies: z.array(z.string()).describe('that take it') }),
    ),
    policies: z.array(
      z.strictObject({
        name: z.string(),
        sources: z.array(z.string()),
        repositories: z.array(z.string()),
        schedule: z.string().nullable(),
        timezone: z.string().nullable().describe('null: this machine’s'),
        type: z.enum(BACKUP_TYPES),
        keep: z.array(z.string()).nullable().describe('its rules; null: it keeps all'),
        verify: z.strictObject({ level: z.enum(PROOF_LEVELS), every: count }).nullable(),
        hooks: z.array(z.enum(HOOK_NAMES)),
      }),
    ),
    findings: findings.describe('what is valid but unwise'),
  }),
  probe: z.strictObject({
    ready: z.boolean(),
    sources: z.array(z.strictObject({ source: z.string(), kind: z.string(), ready: z.boolean(), findings })),
  }),
  doctor: z.strictObject({
    healthy: z.boolean().describe('no check is an error'),
    checks: z.array(
      z.strictObject({
        area: z.enum(['versions', 'tools', 'configuration', 'permissions', 'clock', 'repository', 'source', 'hook']),
        name: z.string(),
        status: z.enum(['ok', 'info', 'warning', 'error']),
        message: z.string(),
        hint: z.string().optional(),
      }),
    ),
  }),
  completion: z.strictObject({ shell: z.enum(['bash', 'zsh', 'fish']), script: z.string() }),
  demo: z.strictObject({
    dir: absolutePath,
    steps: z.array(z.looseObject({ step: z.string() })).describe('what happened, in order'),
  }),
  ...QUERY_OUTPUTS,
  ...WAL_OUTPUTS,
}
