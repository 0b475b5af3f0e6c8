import { z } from 'zod'
import type { Named } from '../operations/repair/repair.ts'
import type { SnapshotsRepair } from '../repository/index.ts'
import { count, failed, findings, id, type Json, repositoryName, time } from './fields.ts'

const dryRun = z.boolean().describe('true: this would be done')

const index = z.strictObject({
  repository: repositoryName,
  healed: z.array(z.string()).describe('config, key and index files that their parity gives back'),
  damaged: z.array(id).describe('index files that could not be read'),
  indexed: z.array(id).describe('packs that no index named, or not as they are'),
  dropped: z.array(id).describe('packs that the index named and that are gone'),
  findings,
})

const packs = z.strictObject({
  repository: repositoryName,
  packs: z
    .array(
      z.strictObject({
        id,
        state: z.enum(['missing', 'cut', 'damaged']),
        healed: z.boolean().describe('put back as it was by its parity'),
        salvaged: count.describe('blobs that are whole in it'),
        found: count.describe('blobs that another pack or another repository has'),
        lost: count.describe('needed blobs that nobody has'),
      }),
    )
    .describe('damaged ones'),
  sound: z.array(id).describe('packs that were looked at, and nothing is wrong with them'),
  fetched: count.describe('needed blobs that were in no index, and that another repository has'),
  absent: count.describe('needed blobs that are in no index, and that nobody has'),
  hurt: z.array(id).describe('snapshots that need what nobody has'),
  findings,
})

const snapshots = z.strictObject({
  repository: repositoryName,
  snapshots: z
    .array(
      z.strictObject({
        id,
        time: time.nullable().describe('null: its file cannot be read'),
        outcome: z
          .enum(['healed', 'rewritten', 'rewritten-before', 'nothing-left'])
          .describe(
            '`healed`: its file was put back by its parity; `rewritten-before`: the replacement was there already',
          ),
        replacement: id.nullable().describe('the snapshot of what is left; null in a dry run, or where nothing is'),
        lost: z.array(z.string()).describe('paths that are left out; the first 1000'),
        lostCount: count,
        forgotten: z.boolean(),
      }),
    )
    .describe('those that cannot be read whole'),
  sound: count,
  findings,
})

const parity = z.strictObject({
  repository: repositoryName,
  missing: count.describe('files that had no parity'),
  damaged: count.describe('files whose parity was damaged'),
  removed: count.describe('parity of files that are gone'),
  findings,
})

const of = <Report extends z.ZodType>(report: Report) =>
  z.strictObject({ dryRun, repositories: z.array(report), failed })

export const REPAIR_OUTPUTS = {
  'repair index': of(index),
  'repair packs': of(packs),
  'repair snapshots': of(snapshots),
  'repair parity': of(parity),
}

export function repairedSnapshotsJson(report: Named<SnapshotsRepair>): Json<typeof snapshots> {
  return {
    ...report,
    snapshots: report.snapshots.map(({ snapshot, replacement, ...each }) => ({
      ...each,
      time: snapshot?.time ?? null,
      replacement: replacement?.id ?? null,
    })),
  }
}
