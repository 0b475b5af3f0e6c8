import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, systemCode } from '../../../base/errors.ts'
import type { BackupEnd } from './capture/low-level-backup.ts'
import { segmentNamesBetween } from './log/wal.ts'

export interface NeededWal {
  readonly name: string
  /** Absolute. */
  readonly path: string
}

/**
 * The log that a copy needs to become consistent, as files of the running cluster: the segments from the backup's start
 * to its end, and the timeline's history. Throws `source-invalid` when the server has already recycled one.
 */
export async function listNeededWal(dataDir: string, end: BackupEnd, segmentBytes: number): Promise<NeededWal[]> {
  const folder = join(dataDir, 'pg_wal')
  const { timeline, startLsn } = end.label
  const segments = segmentNamesBetween(timeline, startLsn, end.stopLsn, segmentBytes)
  for (const name of segments) {
    const found = await stat(join(folder, name)).catch((error: unknown) => missing(name, error))
    if (found.size !== segmentBytes) throw recycledError(name)
  }
  const history = (await readdir(folder)).filter(name => /^[0-9A-F]{8}\.history$/.test(name)).toSorted()
  const needed = history.filter(name => Number.parseInt(name.slice(0, 8), 16) <= timeline)
  return [...needed, ...segments].map(name => ({ name, path: join(folder, name) }))
}

function missing(name: string, error: unknown): never {
  if (systemCode(error) === 'ENOENT') throw recycledError(name)
  throw error
}

export function recycledError(name: string): AppError {
  return new AppError('source-invalid', `log segment ${name} was recycled before the backup's end`, {
    hint: 'Give the role REPLICATION, so that a temporary slot keeps the log, or raise wal_keep_size; then run the backup again.',
  })
}
