import { z } from 'zod'
import type { Query, QueryAnswer } from '../operations/query/query.ts'
import type { CopyValue } from '../sources/source.ts'
import { id, type Json, repositoryName, shortId, time } from './fields.ts'
import { pointJson } from './point.ts'

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

export function queryJson({ source }: Query, answer: QueryAnswer): Json<typeof QUERY_OUTPUTS.query> {
  const { chosen, masked, columns, rows, more } = answer
  return { source, ...pointJson(chosen), masked, columns, rows: rows.map(row => row.map(jsonValue)), more }
}

/** What JSON has no word for, as `--json` prints it anywhere. */
function jsonValue(value: CopyValue): string | number | null {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  return value
}
