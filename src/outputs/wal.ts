import { z } from 'zod'
import type { LogReceiveResult, NamedLogStatus } from '../operations/logs/logs.ts'
import type { TimedWindow } from '../operations/logs/windows.ts'
import type { LogState } from '../sources/source.ts'
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

/** What a log is made of has the names that PostgreSQL gives it, whatever its source is. */
export function windowJson(window: TimedWindow): Json<typeof recoveryWindow> {
  const { branch, from, to, fromPosition, toPosition, bases } = window
  const snapshots = bases.map(base => base.snapshot)
  return { timeline: branch, from, to, fromLsn: fromPosition, toLsn: toPosition, snapshots }
}

export function walReceiveJson({ newest, ...result }: LogReceiveResult): Json<(typeof WAL_OUTPUTS)['wal receive']> {
  return { ...result, newest: newest ?? null }
}

export function walStatusJson({ repository, logs, live, lag, findings }: NamedLogStatus): Json<typeof walStatus> {
  return {
    repository,
    clusters: logs.map(({ id, files, storedBytes, ranges, gaps, windows }) => ({
      systemIdentifier: id,
      files,
      storedBytes,
      timelines: ranges.map(range => ({
        timeline: range.branch,
        first: range.first,
        last: range.last,
        segments: range.files,
      })),
      gaps: gaps.map(({ branch, ...gap }) => ({ timeline: branch, ...gap })),
      windows: windows.map(windowJson),
    })),
    server: live === undefined ? null : liveJson(live),
    lag: lag ?? null,
    findings,
  }
}

function liveJson({ id, branch, position, fileBytes, hold, archiver }: LogState): Json<typeof walStatus>['server'] {
  return { systemIdentifier: id, timeline: branch, lsn: position, segmentBytes: fileBytes, slot: hold, archiver }
}
