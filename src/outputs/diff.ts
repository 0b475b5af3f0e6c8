import { z } from 'zod'
import { bytes, count, id, repositoryName } from './fields.ts'
import { point } from './point.ts'
import { blobTotals } from './statistics.ts'

const entryCounts = z.strictObject({ files: count, dirs: count, others: count, bytes })

const files = z.strictObject({
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
      type: z.enum(['file', 'dir', 'symlink', 'dev', 'chardev', 'fifo', 'socket', 'irregular']),
      sizeBefore: bytes.optional(),
      sizeAfter: bytes.optional(),
      unexplained: z.literal(true).optional().describe('changed though size, times and inode say otherwise'),
    }),
  ),
})

const side = z.strictObject(point).nullable().describe('null: what is live')

const value = z.string().nullable().describe('as the engine writes it, cut where it is long; null: NULL')

const listedRow = z.strictObject({
  change: z.enum(['only-before', 'only-after', 'changed']),
  key: z
    .array(z.strictObject({ column: z.string(), value }))
    .describe('the primary key; empty where whole rows are compared'),
  columns: z
    .array(z.strictObject({ column: z.string(), before: value.optional(), after: value.optional() }))
    .describe('of a changed row those that differ, else all that are not in the key'),
})

const rows = z
  .strictObject({
    source: z.string(),
    before: side,
    after: side,
    same: z.boolean().describe('nothing differs, and all tables were compared'),
    masked: z.boolean().describe('listed values are hidden but for columns that the mask of the source keeps'),
    tables: z.array(
      z.strictObject({
        table: z.string(),
        presence: z.enum(['both', 'before', 'after']).describe('which side has it'),
        by: z
          .enum(['key', 'row'])
          .describe('`key`: rows are matched by their primary key; `row`: there is none that both sides have'),
        rowsBefore: count,
        rowsAfter: count,
        onlyBefore: count,
        onlyAfter: count,
        changed: count.describe('the same key with other values'),
        columnsOnlyBefore: z.array(z.string()).describe('not compared'),
        columnsOnlyAfter: z.array(z.string()),
        problem: z.string().optional().describe('why it could not be compared; the counts are 0 then'),
        listed: z.array(listedRow).optional().describe('with --table: some of the rows that differ'),
      }),
    ),
  })
  .describe('of databases: rows')

/** What is printed with `--json` of the difference between two moments. */
export const DIFF_OUTPUTS = { diff: z.union([files.describe('of files'), rows]) }
