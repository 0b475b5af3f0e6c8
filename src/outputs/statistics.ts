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

export const STATISTICS_OUTPUTS = {
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
}
