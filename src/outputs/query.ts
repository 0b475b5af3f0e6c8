import { z } from 'zod'
import { id, repositoryName, shortId, time } from './fields.ts'

/** What is printed with `--json` of the rows in a recovery point. */
export const QUERY_OUTPUTS = {
  query: z.strictObject({
    source: z.string(),
    repository: repositoryName,
    snapshot: id,
    shortId,
    time,
    masked: z.boolean().describe('asked of a masked copy, as the test copies of the source are'),
    columns: z.array(z.string()).describe('names; two may be the same'),
    rows: z
      .array(z.array(z.union([z.string(), z.number(), z.null()])))
      .describe('values in the order of the columns; integers beyond 2^53 as text, bytes as base64'),
    more: z.boolean().describe('there were more rows than --limit, or than an answer holds'),
  }),
}
