import { z } from 'zod'

const count = z.int().min(1).describe('exact')

export const incompleteCount = z
  .strictObject({ count })
  .nullable()
  .describe('what the snapshot lacks of its source; null: nothing')

export const incompleteSchema = z
  .strictObject({
    count,
    entries: z
      .array(
        z.strictObject({
          path: z.string().describe('relative to the source’s folder; "" is all of it'),
          reason: z.string(),
          absent: z.boolean().describe('it is not in the snapshot; else it is, but not as of one moment'),
        }),
      )
      .describe('the first ten thousand'),
  })
  .nullable()
  .describe('what the snapshot lacks of its source; null: nothing')
