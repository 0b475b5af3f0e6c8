import type { Finding } from '../../model/finding.ts'
import type { LogBase, LogId, LogWindow } from '../../model/log.ts'
import type { Repository } from '../../repository/index.ts'
import { type LogArchive, readArchive } from './archive.ts'
import { basesOf, type LogFormats, listBases, logsOf, passOverFuture } from './bases.ts'

/** A window with the moment that its log reaches, as far as it is known. */
export interface TimedWindow extends LogWindow {
  /** When the last file was written: no later moment can be recovered. */
  readonly to: Date
}

export interface LogRecovery {
  readonly archive: LogArchive
  readonly bases: readonly LogBase[]
  /** Oldest first. */
  readonly windows: readonly TimedWindow[]
}

export interface RecoverySummary {
  /** A source has several when what it is of was exchanged. */
  readonly logs: readonly LogRecovery[]
  readonly findings: readonly Finding[]
}

/** What can be recovered of a source from a repository; with `wanted` from this backup too, whenever it says it was taken. */
export async function listRecovery(
  formats: LogFormats,
  repository: Repository,
  source: string,
  { now, wanted, signal }: { readonly now: Date; readonly wanted?: string | undefined; readonly signal: AbortSignal },
): Promise<RecoverySummary> {
  const { bases: all, findings } = await listBases(formats, repository, source)
  const { bases, findings: future } = passOverFuture(all, now, wanted)
  const logs: LogRecovery[] = []
  for (const log of logsOf(bases)) {
    const recovery = await readRecovery(formats, repository, log, { bases: basesOf(bases, log), signal })
    if (recovery) logs.push(recovery)
  }
  return { logs, findings: [...findings, ...future] }
}

/** Undefined for a log of a kind that nobody knows here. */
export async function readRecovery(
  formats: LogFormats,
  repository: Repository,
  log: LogId,
  { bases, signal }: { readonly bases: readonly LogBase[]; readonly signal: AbortSignal },
): Promise<LogRecovery | undefined> {
  const format = await formats.logFormat(log.kind)
  if (format === undefined) return undefined
  const archive = await readArchive(repository.logs, log, format, signal)
  const windows: TimedWindow[] = []
  for (const window of archive.coverage.listWindows(bases)) {
    windows.push({ ...window, to: await endOf(archive, window) })
  }
  return { archive, bases, windows }
}

async function endOf({ reader }: LogArchive, window: LogWindow): Promise<Date> {
  const lastBackup = window.bases.at(-1)?.endedAt ?? window.from
  const written = window.lastFile === undefined ? undefined : (await reader.findHeader(window.lastFile))?.writtenAt
  return written !== undefined && written > lastBackup ? written : lastBackup
}
