import type { Finding } from '../../model/finding.ts'
import {
  type BaseBackup,
  type LogGap,
  listGaps,
  listRecoveryWindows,
  type RecoveryWindow,
} from '../../model/recovery-window.ts'
import type { Repository } from '../../repository/index.ts'
import { readArchive, type WalArchive } from './archive.ts'
import { listBaseBackups, passOverFuture } from './base-backups.ts'

/** A window with the moment that its log reaches, as far as it is known. */
export interface TimedWindow extends RecoveryWindow {
  /** When the last segment was written: no later moment can be recovered. */
  readonly to: Date
}

export interface ClusterRecovery {
  readonly archive: WalArchive
  readonly bases: readonly BaseBackup[]
  /** Oldest first. */
  readonly windows: readonly TimedWindow[]
  readonly gaps: readonly LogGap[]
}

export interface RecoverySummary {
  /** One a cluster; a source has several when its cluster was exchanged. */
  readonly clusters: readonly ClusterRecovery[]
  readonly findings: readonly Finding[]
}

/** What can be recovered of a source from a repository; with `wanted` from this backup too, whenever it says it was taken. */
export async function listRecovery(
  repository: Repository,
  source: string,
  { now, wanted, signal }: { readonly now: Date; readonly wanted?: string | undefined; readonly signal: AbortSignal },
): Promise<RecoverySummary> {
  const { bases: all, findings } = await listBaseBackups(repository, source)
  const { bases, findings: future } = passOverFuture(all, now, wanted)
  const identifiers = [...new Set(bases.map(base => base.systemIdentifier))]
  const clusters: ClusterRecovery[] = []
  for (const identifier of identifiers) {
    const own = bases.filter(base => base.systemIdentifier === identifier)
    clusters.push(await readRecovery(repository, identifier, own, signal))
  }
  return { clusters, findings: [...findings, ...future] }
}

export async function readRecovery(
  repository: Repository,
  systemIdentifier: string,
  bases: readonly BaseBackup[],
  signal: AbortSignal,
): Promise<ClusterRecovery> {
  const archive = await readArchive(repository.wal, systemIdentifier, signal)
  const windows: TimedWindow[] = []
  for (const window of listRecoveryWindows(bases, archive.log)) {
    windows.push({ ...window, to: await endOf(repository, archive, window, signal) })
  }
  return { archive, bases, windows, gaps: listGaps(archive.log) }
}

async function endOf(
  repository: Repository,
  archive: WalArchive,
  window: RecoveryWindow,
  signal: AbortSignal,
): Promise<Date> {
  const lastBackup = window.bases.at(-1)?.stoppedAt ?? window.from
  if (window.lastSegment === undefined) return lastBackup
  const writtenAt = (await findWrittenAt(repository, archive, window.lastSegment, signal)) ?? lastBackup
  return writtenAt > lastBackup ? writtenAt : lastBackup
}

/** When a segment was written to for the last time, finished or not. */
export async function findWrittenAt(
  repository: Repository,
  archive: WalArchive,
  segment: string,
  signal: AbortSignal,
): Promise<Date | undefined> {
  const name = archive.unfinished.has(segment) ? `${segment}.partial` : segment
  const header = await repository.wal.findHeader(archive.systemIdentifier, name, signal)
  return header === undefined ? undefined : new Date(header.writtenAt)
}
