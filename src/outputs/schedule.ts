import { z } from 'zod'
import type { JobRecord } from '../catalog/catalog.ts'
import { absolutePath, count, type Json, time } from './fields.ts'

const job = z.strictObject({
  name: z.string().describe('`backup nightly`, `prune main`'),
  pausedUntil: time.nullable(),
})

/** What the commands about schedules print with `--json`. */
export const SCHEDULE_OUTPUTS = {
  serve: z.strictObject({
    ended: count.describe('runs that came to their end'),
    done: count.describe('those of them that did what they were for'),
  }),
  install: z.strictObject({
    way: z.enum(['systemd', 'pm2', 'cron']),
    file: absolutePath.nullable().describe('where the unit was written; null: nowhere'),
    content: z.string(),
  }),
  pause: z.array(job),
  resume: z.array(job),
}

export function jobJson({ name, pausedUntil }: JobRecord): Json<typeof job> {
  return { name, pausedUntil: pausedUntil ?? null }
}
