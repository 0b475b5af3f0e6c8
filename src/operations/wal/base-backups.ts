import { formatTime } from '../../base/times.ts'
import type { Finding } from '../../model/finding.ts'
import type { Manifest } from '../../model/manifest.ts'
import { isOfFuture, labelsOf, SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { BaseBackup } from '../../model/recovery-window.ts'
import { parseLsn } from '../../model/wal.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'
import { loadManifest } from '../browse/snapshot-tree.ts'

export interface BaseBackups {
  /** Oldest first. */
  readonly bases: readonly BaseBackup[]
  /** Snapshots that could not be read: whether they are backups of a cluster is not known. */
  readonly findings: readonly Finding[]
}

/** The physical backups in a repository, of one source or of all. */
export async function listBaseBackups(repository: Repository, source?: string): Promise<BaseBackups> {
  const { snapshots, findings } = await repository.listSnapshots()
  const bases: BaseBackup[] = []
  const unread: Finding[] = [...findings]
  for (const snapshot of snapshots) {
    const labels = labelsOf(snapshot.tags)
    if (labels.kind !== 'postgres' || (source !== undefined && labels.source !== source)) continue
    const manifest = await loadManifest(repository, snapshot)
    if (manifest === undefined) unread.push(unreadable(snapshot))
    const base = manifest && baseOf(snapshot.id, manifest)
    if (base) bases.push(base)
  }
  return { bases, findings: unread }
}

/**
 * As other snapshots, a backup that a wrong clock put into the future is passed over, and named, unless it is the one that
 * is `wanted` or all are: no moment could be told to lie after it.
 */
export function passOverFuture(all: readonly BaseBackup[], now: Date, wanted?: string): BaseBackups {
  const isLeft = ({ snapshot, stoppedAt }: BaseBackup): boolean => snapshot !== wanted && isOfFuture(stoppedAt, now)
  const bases = all.filter(base => !isLeft(base))
  if (bases.length === 0) return { bases: all, findings: [] }
  return { bases, findings: all.filter(isLeft).map(ofFuture) }
}

function ofFuture({ snapshot, stoppedAt }: BaseBackup): Finding {
  const id = snapshot.slice(0, SHORT_ID_DIGITS)
  return {
    severity: 'warning',
    code: 'snapshot-of-the-future',
    subject: `snapshot ${id}`,
    message: `passed over: it is from the future (${formatTime(stoppedAt)}), so a wrong clock made it`,
    hint: `If the clock of this machine is right, remove it with: lifeboat forget ${id}`,
    affects: [snapshot],
  }
}

/** Undefined when the manifest is not of a physical backup. */
export function baseOf(snapshot: string, manifest: Manifest): BaseBackup | undefined {
  const properties = manifest.database?.properties
  if (properties?.['mode'] !== 'physical') return undefined
  const { systemIdentifier, timeline, startLsn, stopLsn, nextXid } = properties
  const start = typeof startLsn === 'string' ? parseLsn(startLsn) : undefined
  const stop = typeof stopLsn === 'string' ? parseLsn(stopLsn) : undefined
  if (typeof systemIdentifier !== 'string' || typeof timeline !== 'number') return undefined
  if (start === undefined || stop === undefined) return undefined
  return {
    snapshot,
    systemIdentifier,
    timeline,
    startLsn: start,
    stopLsn: stop,
    stoppedAt: new Date(manifest.capturedAt),
    nextXid: typeof nextXid === 'string' && /^\d+$/.test(nextXid) ? BigInt(nextXid) : undefined,
  }
}

function unreadable(snapshot: Snapshot): Finding {
  return {
    severity: 'warning',
    code: 'manifest-unreadable',
    subject: `snapshot ${snapshot.id.slice(0, 8)}`,
    message: 'its manifest cannot be read, so it is not known which log it needs',
    hint: 'Run "lifeboat check".',
    affects: [snapshot.id],
  }
}
