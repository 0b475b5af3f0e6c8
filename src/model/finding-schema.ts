import { z } from 'zod'

/** A `Finding` as JSON. */
export const findingSchema = z
  .strictObject({
    severity: z.enum(['info', 'warning', 'error']),
    code: z.string().describe('stable, for machines: `pack-missing`'),
    subject: z.string().describe('what it is about'),
    message: z.string(),
    hint: z.string().optional().describe('what to do'),
    affects: z.array(z.string()).optional().describe('what suffers from it: snapshot ids, paths'),
  })
  .describe('one stated problem')
