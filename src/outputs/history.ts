import { z } from 'zod'
import { KINDS } from '../operations/history/events.ts'
import { MARKS, type MarkCode } from '../operations/history/marks.ts'
import { count, failed, repositoryName, time } from './fields.ts'

const counts = z.strictObject(Object.fromEntries(KINDS.map(kind => [kind, count.optional()])))
const mark = z.enum(Object.keys(MARKS) as [MarkCode, ...MarkCode[]])

export const HISTORY_OUTPUTS = {
  history: z.strictObject({
    repositories: z.array(
      z.strictObject({
        repository: repositoryName,
        location: z.string(),
        keepsVersions: z
          .boolean()
          .describe('false where nothing is kept of what was overwritten or deleted; then nothing else is told'),
        hours: z
          .array(
            z.strictObject({
              hour: time.describe('its beginning'),
              added: counts,
              overwritten: counts,
              deleted: counts,
              suspicious: z.array(mark),
            }),
          )
          .describe('hours in which something happened, oldest first; locks are left out'),
        suspicious: z.array(z.strictObject({ code: mark, at: time, message: z.string() })),
        undated: count.describe('deletions whose time the storage does not tell'),
        before: time.nullable().describe('the last second before the first of what is suspicious: for --as-of'),
      }),
    ),
    failed,
  }),
}
