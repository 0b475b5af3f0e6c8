import { AppError } from '../../base/errors.ts'
import { formatTime } from '../../base/times.ts'
import type { Finding } from '../../model/finding.ts'
import { describeRecoveryTarget, type RecoveryTarget } from '../../model/recovery-target.ts'
import {
  type BaseBackup,
  chooseBase,
  type LogGap,
  listGaps,
  listRecoveryWindows,
  type RecoveryWindow,
} from '../../model/recovery-window.ts'
import type { Repository } from '../../repository/index.ts'
import { readArchive, type WalArchive } from './archive.ts'
import { listBaseBackups } from './base-backups.ts'

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

/** What can be recovered of a source from a repository. */
export async function listRecovery(
  repository: Repository,
  source: string,
  signal: AbortSignal,
): Promise<RecoverySummary> {
  const { bases, findings } = await listBaseBackups(repository, source)
  const identifiers = [...new Set(bases.map(base => base.systemIdentifier))]
  const clusters: ClusterRecovery[] = []
  for (const identifier of identifiers) {
    const own = bases.filter(base => base.systemIdentifier === identifier)
    clusters.push(await readRecovery(repository, identifier, own, signal))
  }
  return { clusters, findings }
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
  const name = archive.unfinished.has(window.lastSegment) ? `${window.lastSegment}.partial` : window.lastSegment
  const header = await repository.wal.findHeader(archive.systemIdentifier, name, signal)
  const writtenAt = header === undefined ? lastBackup : new Date(header.writtenAt)
  return writtenAt > lastBackup ? writtenAt : lastBackup
}

/**
 * The backup to recover a target from. Throws `target-invalid`, saying what is covered, when no backup and log reach it.
 */
export function getBaseFor(target: RecoveryTarget, recovery: RecoverySummary, source: string): BaseBackup {
  // The newest cluster is the one that the source is of now.
  const cluster = recovery.clusters.toSorted((a, b) => newest(a) - newest(b)).at(-1)
  const windows = cluster?.windows ?? []
  const ends = new Map(windows.map(window => [window.lastSegment ?? '', window.to]))
  const chosen = chooseBase(target, windows, ends)
  if (!('reason' in chosen)) return chosen
  throw new AppError(
    'target-invalid',
    `cannot recover ${source} to ${describeRecoveryTarget(target)}: ${chosen.reason}`,
    {
      hint:
        windows.length === 0
          ? `Run "lifeboat backup ${source}" first.`
          : `Choose a moment within: ${windows.map(describeTimed).join('; ')}.`,
    },
  )
}

function newest(cluster: ClusterRecovery): number {
  return Math.max(0, ...cluster.bases.map(base => base.stoppedAt.getTime()))
}

function describeTimed(window: TimedWindow): string {
  const range = `${formatTime(window.from)} to ${formatTime(window.to)}`
  return window.timeline === 1 ? range : `${range} (timeline ${window.timeline})`
}
