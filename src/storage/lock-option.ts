import { z } from 'zod'
import { parseDuration } from '../base/durations.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/** Among the options of an adapter whose storage can lock objects: the same words for all. */
export const lockOption = z
  .strictObject({
    mode: z
      .enum(['governance', 'compliance'])
      .describe('`compliance`: nobody can end a lock earlier. `governance`: who has a special permission can.'),
    period: z
      .string()
      .refine(text => (parseDuration(text) ?? 0) >= DAY_MS, 'a duration of a day or more like "30d"')
      .describe('For how long at least all that snapshots need stays locked after the last backup, as `30d`.'),
  })
  .transform(({ mode, period }) => ({ mode, periodMs: parseDuration(period) ?? DAY_MS }))
  .describe(
    'Locks what is stored, so that whoever gets the key of the bucket cannot destroy it. The bucket must allow it: see `docs/guide/ransomware.md`.',
  )
