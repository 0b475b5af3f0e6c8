import { AppError, isAppError } from '../../base/errors.ts'
import { formatTime, formatTimeWithZone } from '../../base/times.ts'
import type { Finding } from '../../model/finding.ts'
import { chooseBase, type PlacedTarget } from '../../model/recovery-choice.ts'
import { describeRecoveryTarget, type RecoveryTarget } from '../../model/recovery-target.ts'
import { type BaseBackup, type LoggedBase, listLoggedBases } from '../../model/recovery-window.ts'
import type { Repository } from '../../repository/index.ts'
import { findMark } from './find-mark.ts'
import { findLastTransaction } from './last-transaction.ts'
import { type ClusterRecovery, findWrittenAt, listRecovery, type TimedWindow } from './windows.ts'

export interface BaseWish {
  readonly repository: Repository
  readonly source: string
  readonly target: RecoveryTarget
  /** As in `recovery_target_timeline`. */
  readonly timeline: string | undefined
  /** This backup and no other. */
  readonly snapshot?: string | undefined
  readonly now: Date
  readonly signal: AbortSignal
  /** Told where the server that is started on the copy may refuse the target. */
  readonly onFinding?: ((finding: Finding) => void) | undefined
}

/**
 * The backup to recover a target from: the newest one that ended before it, on the timeline that is gone along. Throws
 * `target-invalid`, saying what is covered, when no backup and log reach it.
 */
export async function getBaseFor(wish: BaseWish): Promise<BaseBackup> {
  const { now, snapshot, signal } = wish
  const { clusters } = await listRecovery(wish.repository, wish.source, { now, wanted: snapshot, signal })
  // A source has several when its cluster was exchanged. The newest one is tried first, and its reason is the one told.
  const newestFirst = clusters.toSorted((a, b) => newest(b) - newest(a))
  let reason: AppError | undefined
  for (const cluster of newestFirst) {
    try {
      return await chooseIn(wish, cluster)
    } catch (error) {
      if (!isAppError(error, 'target-invalid')) throw error
      reason ??= error
    }
  }
  throw reason ?? unreachable(wish, 'there is no physical backup', [])
}

async function chooseIn(wish: BaseWish, { archive, bases, windows }: ClusterRecovery): Promise<BaseBackup> {
  const onTimeline = listLoggedBases(bases, archive.log, wish.timeline)
  if (onTimeline.length === 0) throw unreachable(wish, `no backup is on timeline ${wish.timeline ?? 'latest'}`, windows)
  const target = await place(wish, archive, onTimeline)
  const allowed = onTimeline.filter(({ base }) => wish.snapshot === undefined || base.snapshot === wish.snapshot)
  const toTimes = target.kind === 'time' ? await readEnds(wish, archive, onTimeline) : new Map<string, Date>()
  const chosen = chooseBase(target, allowed, toTimes)
  if (!('reason' in chosen)) {
    await warnOfEnd(wish, archive, chosen)
    return chosen.base
  }
  if (wish.snapshot === undefined) throw unreachable(wish, chosen.reason, windows)
  const better = chooseBase(target, onTimeline, toTimes)
  throw 'reason' in better ? unreachable(wish, better.reason, windows) : wrongSnapshot(wish, better.base)
}

async function place(
  { target, repository, signal }: BaseWish,
  archive: ClusterRecovery['archive'],
  newestFirst: readonly LoggedBase[],
): Promise<PlacedTarget> {
  if (target.kind !== 'name' && target.kind !== 'xid') return target
  const lsn = await findMark({ target, newestFirst, archive, store: repository.wal, signal })
  return { kind: 'found', lsn }
}

async function readEnds(
  { repository, signal }: BaseWish,
  archive: ClusterRecovery['archive'],
  bases: readonly LoggedBase[],
): Promise<Map<string, Date>> {
  const ends = new Map<string, Date>()
  for (const name of new Set(bases.map(({ lastSegment }) => lastSegment))) {
    const writtenAt = name === undefined ? undefined : await findWrittenAt(repository, archive, name, signal)
    if (name !== undefined && writtenAt !== undefined) ends.set(name, writtenAt)
  }
  return ends
}

/** PostgreSQL has reached a time when it meets a transaction that ended later, and without one it does not start. */
async function warnOfEnd(wish: BaseWish, archive: ClusterRecovery['archive'], chosen: LoggedBase): Promise<void> {
  const { target, repository, source, signal, onFinding } = wish
  if (target.kind !== 'time' || onFinding === undefined) return
  const last = await findLastTransaction(chosen, archive, repository.wal, signal)
  if (last === undefined || (last !== 'none' && target.epochMicros <= last.getTime() * 1000 + 999)) return
  const ended =
    last === 'none'
      ? 'its log holds no transaction after the backup ended'
      : `the last transaction in its log ended at ${formatTimeWithZone(last)}, before ${describeRecoveryTarget(target)}`
  onFinding({
    severity: 'warning',
    code: 'after-last-transaction',
    subject: `source ${source}`,
    message: `${ended}: the server will not start ("recovery ended before configured recovery target was reached")`,
    hint: 'Put "--timeline latest" in place of --at to go to the end of the log, add --start, or name an earlier moment.',
  })
}

function wrongSnapshot({ target, snapshot, source }: BaseWish, better: BaseBackup): AppError {
  const named = snapshot?.slice(0, 8) ?? ''
  return new AppError(
    'target-invalid',
    `snapshot ${named} is no start for a recovery of ${source} to ${describeRecoveryTarget(target)}`,
    {
      hint: `Leave it out, or name ${better.snapshot.slice(0, 8)}: this one ended after that, or its log has a gap.`,
    },
  )
}

function unreachable({ target, source }: BaseWish, reason: string, windows: readonly TimedWindow[]): AppError {
  const hint = windows.length === 0 ? `Run "lifeboat backup ${source}" first.` : adviseMoment(target, windows)
  return new AppError('target-invalid', `cannot recover ${source} to ${describeRecoveryTarget(target)}: ${reason}`, {
    hint,
  })
}

/** The moment may lie on a timeline that recovery does not go along, because another one left it before. */
export function adviseMoment(target: RecoveryTarget, windows: readonly TimedWindow[]): string {
  const at = target.kind === 'time' ? target.epochMicros / 1000 : Number.NaN
  const other = windows.findLast(({ from, to }) => from.getTime() <= at && at <= to.getTime())
  const branch = other === undefined ? '' : `Add --timeline ${other.timeline}: that moment lies on it. `
  return `${branch}Choose a moment within: ${windows.map(describeTimed).join('; ')}.`
}

function newest(cluster: ClusterRecovery): number {
  return Math.max(0, ...cluster.bases.map(base => base.stoppedAt.getTime()))
}

function describeTimed(window: TimedWindow): string {
  const range = `${formatTime(window.from)} to ${formatTime(window.to)}`
  return window.timeline === 1 ? range : `${range} (--timeline ${window.timeline})`
}
