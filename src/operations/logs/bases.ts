import { formatTime } from '../../base/times.ts'
import type { Finding } from '../../model/finding.ts'
import type { LogBase, LogId } from '../../model/log.ts'
import { isOfFuture, labelsOf, SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'
import { loadManifest } from '../browse/snapshot-tree.ts'
import type { Workspace } from '../workspace/workspace.ts'

/** A backup, with the kind of its source. */
export interface KindedBase extends LogBase {
  readonly kind: string
}

export interface LogBases {
  /** Oldest first. */
  readonly bases: readonly KindedBase[]
  /** Snapshots that could not be read: whether a log goes on from them is not known. */
  readonly findings: readonly Finding[]
}

/** Knows how logs are written. */
export type LogFormats = Pick<Workspace, 'logFormat'>

/** The backups in a repository from which a log goes on, of one source or of all. */
export async function listBases(formats: LogFormats, repository: Repository, source?: string): Promise<LogBases> {
  const { snapshots, findings } = await repository.listSnapshots()
  const bases: KindedBase[] = []
  const unread: Finding[] = [...findings]
  for (const snapshot of snapshots) {
    const labels = labelsOf(snapshot.tags)
    if (labels.kind === undefined || (source !== undefined && labels.source !== source)) continue
    const format = await formats.logFormat(labels.kind)
    if (format === undefined) continue
    const manifest = await loadManifest(repository, snapshot)
    if (manifest === undefined) unread.push(unreadable(snapshot))
    const base = manifest && format.findBase(manifest)
    if (base) bases.push({ ...base, snapshot: snapshot.id, kind: labels.kind })
  }
  return { bases, findings: unread }
}

/**
 * As other snapshots, a backup that a wrong clock put into the future is passed over, and named, unless it is the one that
 * is `wanted` or all are: no moment could be told to lie after it.
 */
export function passOverFuture(all: readonly KindedBase[], now: Date, wanted?: string): LogBases {
  const isLeft = ({ snapshot, endedAt }: LogBase): boolean => snapshot !== wanted && isOfFuture(endedAt, now)
  const bases = all.filter(base => !isLeft(base))
  if (bases.length === 0) return { bases: all, findings: [] }
  return { bases, findings: all.filter(isLeft).map(ofFuture) }
}

function ofFuture({ snapshot, endedAt }: LogBase): Finding {
  const id = snapshot.slice(0, SHORT_ID_DIGITS)
  return {
    severity: 'warning',
    code: 'snapshot-of-the-future',
    subject: `snapshot ${id}`,
    message: `passed over: it is from the future (${formatTime(endedAt)}), so a wrong clock made it`,
    hint: `If the clock of this machine is right, remove it with: lifeboat forget ${id}`,
    affects: [snapshot],
  }
}

/** The logs that these backups go on with. */
export function logsOf(bases: readonly KindedBase[]): LogId[] {
  const found = new Map(bases.map(({ kind, log }) => [`${kind}/${log}`, { kind, id: log }]))
  return [...found.values()]
}

export function basesOf(bases: readonly KindedBase[], { kind, id }: LogId): KindedBase[] {
  return bases.filter(base => base.kind === kind && base.log === id)
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
