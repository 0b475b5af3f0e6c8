import { z } from 'zod'
import { formatLsn } from '../model/wal.ts'
import type { TimedWindow } from '../operations/wal/windows.ts'
import { bytes, count, findings, id, type Json, repositoryName, time } from './fields.ts'

export const recoveryWindow = z
  .strictObject({
    timeline: count,
    from: time,
    to: time,
    fromLsn: z.string(),
    toLsn: z.string(),
    snapshots: z.array(id).describe('the backups that it begins with, oldest first'),
  })
  .describe('every moment from `from` to `to` can be recovered')

const walStatus = z.strictObject({
  repository: repositoryName,
  clusters: z.array(
    z.strictObject({
      systemIdentifier: z.string(),
      files: count,
      storedBytes: bytes,
      timelines: z.array(z.strictObject({ timeline: count, first: z.string(), last: z.string(), segments: count })),
      gaps: z.array(z.strictObject({ timeline: count, firstMissing: z.string(), lastMissing: z.string(), count })),
      windows: z.array(recoveryWindow),
    }),
  ),
  server: z
    .strictObject({
      systemIdentifier: z.string(),
      timeline: count,
      lsn: z.string(),
      segmentBytes: bytes,
      slot: z
        .strictObject({ name: z.string(), active: z.boolean(), status: z.string(), retainedBytes: bytes })
        .optional(),
      archiver: z
        .strictObject({
          lastArchived: z.string().optional(),
          lastArchivedAt: time.optional(),
          lastFailed: z.string().optional(),
          lastFailedAt: time.optional(),
        })
        .optional(),
    })
    .nullable()
    .describe('null: it does not answer'),
  lag: z.strictObject({ bytes, seconds: count }).nullable().describe('how much of the server’s log is not stored yet'),
  findings,
})

export const WAL_OUTPUTS = {
  'wal push': z.strictObject({
    source: z.string(),
    name: z.string(),
    outcome: z.enum(['stored', 'same']).describe('`same`: it was there already'),
    ahead: count.describe('other files stored before they were asked for'),
  }),
  'wal fetch': z.strictObject({
    source: z.string(),
    name: z.string(),
    outcome: z.enum(['fetched', 'missing']).describe('`missing`: there is no such file, exit code 1'),
  }),
  'wal receive': z.strictObject({
    source: z.string(),
    storedFiles: count,
    waitingFiles: count.describe('received, not stored yet'),
    newest: z.string().nullable(),
  }),
  'wal status': z.strictObject({ source: z.string(), repositories: z.array(walStatus) }),
} as const

export function windowJson(window: TimedWindow): Json<typeof recoveryWindow> {
  const { timeline, from, to, fromLsn, toLsn, bases } = window
  const snapshots = bases.map(base => base.snapshot)
  return { timeline, from, to, fromLsn: formatLsn(fromLsn), toLsn: formatLsn(toLsn), snapshots }
}
