import type { Finding } from '../../model/finding.ts'
import type { LogId } from '../../model/log.ts'
import type { Repository } from '../../repository/index.ts'
import { readArchive } from './archive.ts'
import { basesOf, type LogFormats, listBases } from './bases.ts'

export interface LogExpiry {
  /** There is any log in the repository. */
  readonly found: boolean
  readonly files: number
  /** Compressed and sealed. */
  readonly bytes: number
  readonly findings: readonly Finding[]
}

/**
 * Removes the log that no backup in the repository needs: all before the start of the oldest one that it goes on from.
 * Where no backup is left, or one can't be read, nothing is removed. Run it after snapshots were forgotten.
 */
export async function expireLogs(
  formats: LogFormats,
  repository: Repository,
  options: {
    readonly dryRun: boolean
    /** As if these were forgotten. */
    readonly withoutSnapshots?: readonly string[] | undefined
    readonly signal: AbortSignal
  },
): Promise<LogExpiry> {
  const { dryRun, withoutSnapshots, signal } = options
  const logs = await repository.logs.listLogs(signal)
  if (logs.length === 0) return { found: false, files: 0, bytes: 0, findings: [] }
  const { bases: all, findings: unread } = await listBases(formats, repository)
  // A snapshot that can't be read may be a backup that needs the log.
  if (unread.length > 0) return { found: true, files: 0, bytes: 0, findings: unread }
  const bases = all.filter(base => !withoutSnapshots?.includes(base.snapshot))
  const findings: Finding[] = []
  let files = 0
  let bytes = 0
  for (const log of logs) {
    const format = await formats.logFormat(log.kind)
    if (format === undefined) {
      findings.push(unknownKind(log))
      continue
    }
    const { coverage } = await readArchive(repository.logs, log, format, signal)
    const unneeded = new Set(coverage.listUnneeded(basesOf(bases, log)))
    for await (const { name, unfinished, storedBytes } of repository.logs.list(log, signal)) {
      if (!unneeded.has(name)) continue
      files++
      bytes += storedBytes
      if (!dryRun) await repository.logs.remove(log, { name, unfinished }, signal)
    }
  }
  return { found: true, files, bytes, findings }
}

function unknownKind({ kind, id }: LogId): Finding {
  return {
    severity: 'warning',
    code: 'log-unknown',
    subject: `log ${id}`,
    message: `it is of a source of kind ${kind}, which has no log in this version: nothing of it is removed`,
  }
}
