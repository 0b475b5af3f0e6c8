import { z } from 'zod'
import { bytes, count, id, repositoryName, shortId } from './fields.ts'
import { incompleteSchema } from './incomplete.ts'
import { point } from './point.ts'

const listedEntry = z.strictObject({
  path: z.string().describe('relative to the source’s folder; with a leading "/", to the snapshot’s root'),
  type: z.enum(['file', 'dir', 'symlink', 'dev', 'chardev', 'fifo', 'socket', 'irregular']),
  permissions: z.string().describe('as `ls -l` has it'),
  uid: count,
  gid: count,
  user: z.string().optional(),
  group: z.string().optional(),
  sizeBytes: bytes.optional().describe('files only'),
  modified: z.iso.datetime().describe('UTC, ISO 8601, to the nanosecond'),
  linkTarget: z.string().optional(),
})

/** Of the commands that look into recovery points. */
export const BROWSE_OUTPUTS = {
  ls: z.strictObject({ ...point, incomplete: incompleteSchema, entries: z.array(listedEntry) }),
  cat: z.union([
    z.strictObject({
      ...point,
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
}
