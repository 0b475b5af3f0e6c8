import { z } from 'zod'
import { bytes, count, failed, findings, id, repositoryName } from './fields.ts'
import { incompleteCount } from './incomplete.ts'

export const blobTotals = z.strictObject({
  blobs: count,
  plainBytes: bytes,
  storedBytes: bytes.describe('compressed and encrypted'),
})

const repositoryStatistics = z.strictObject({
  snapshots: count,
  packs: count,
  blobs: count,
  storedBytes: bytes,
  uncompressedBytes: bytes,
})

const stored = { objects: count, bytes }
const perDay = z.number().describe('an estimate, on average')

const cost = z.strictObject({
  repository: repositoryName,
  ...stored,
  kinds: z
    .array(z.strictObject({ kind: z.string().describe('`data`, `index`, `snapshots`, ...'), ...stored }))
    .describe('the largest first'),
  classes: z
    .array(z.strictObject({ storageClass: z.string(), ...stored }))
    .describe('empty where the storage tells none'),
  requests: z
    .strictObject({
      days: z.number().describe('so many days were looked at, 30 at most'),
      runs: count.describe('recorded runs of this machine in these days'),
      perDay: z.strictObject({ saves: perDay, lists: perDay, loads: perDay, finds: perDay, removes: perDay }),
    })
    .nullable()
    .describe('null where no run was counted, as with a folder'),
})

export const STATISTICS_OUTPUTS = {
  stats: z.union([
    z.strictObject({
      costs: z.array(cost).describe('with --cost'),
      failed,
    }),
    z.strictObject({
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
  ]),
}
