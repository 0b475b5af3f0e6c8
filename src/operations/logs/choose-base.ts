import { AppError, isAppError } from '../../base/errors.ts'
import { formatTime } from '../../base/times.ts'
import type { Finding } from '../../model/finding.ts'
import type { LogBase } from '../../model/log.ts'
import { describeRecoveryTarget, type RecoveryTarget } from '../../model/recovery-target.ts'
import type { Repository } from '../../repository/index.ts'
import type { LogFormats } from './bases.ts'
import { type LogRecovery, listRecovery, type TimedWindow } from './windows.ts'

export interface RecoveryWish {
  readonly formats: LogFormats
  readonly repository: Repository
  readonly source: string
  readonly target: RecoveryTarget
  /** A number, `current`, or `latest` (default). */
  readonly branch: string | undefined
  /** This backup and no other. */
  readonly snapshot?: string | undefined
  readonly now: Date
  readonly signal: AbortSignal
  /** Told where what recovers may refuse the target. */
  readonly onFinding?: ((finding: Finding) => void) | undefined
}

/**
 * The backup to recover a target from: the newest one that ended before it, on the branch that is gone along. Throws
 * `target-invalid`, saying what is covered, when no backup and log reach it.
 */
export async function getBaseFor(wish: RecoveryWish): Promise<LogBase> {
  const { formats, now, snapshot, signal } = wish
  const { logs } = await listRecovery(formats, wish.repository, wish.source, { now, wanted: snapshot, signal })
  // A source has several when what it is of was exchanged. The newest is tried first, and its reason is the one told.
  const newestFirst = logs.toSorted((a, b) => newest(b) - newest(a))
  let reason: AppError | undefined
  for (const log of newestFirst) {
    try {
      return await chooseIn(wish, log)
    } catch (error) {
      if (!isAppError(error, 'target-invalid')) throw error
      reason ??= error
    }
  }
  throw reason ?? unreachable(wish, 'there is no backup that its log goes on from', [])
}

async function chooseIn(wish: RecoveryWish, { archive, bases, windows }: LogRecovery): Promise<LogBase> {
  const { target, branch, snapshot, source, onFinding } = wish
  const { format } = archive
  if (target.kind === 'position' && !format.isPosition(target.position)) {
    throw new AppError('usage', `"${target.position}" is no position`, {
      hint: format.words.positionHint,
    })
  }
  const warns = onFinding !== undefined
  const asked = { target, branch, bases, wanted: snapshot, warns, subject: `source ${source}` }
  const chosen = await archive.coverage.choose(asked)
  if ('base' in chosen) {
    for (const finding of chosen.findings) onFinding?.(finding)
    return chosen.base
  }
  throw chosen.better === undefined
    ? unreachable(wish, chosen.reason, windows, format.words.branch)
    : wrongSnapshot(wish, chosen.better)
}

function wrongSnapshot({ target, snapshot, source }: RecoveryWish, better: LogBase): AppError {
  const named = snapshot?.slice(0, 8) ?? ''
  return new AppError(
    'target-invalid',
    `snapshot ${named} is no start for a recovery of ${source} to ${describeRecoveryTarget(target)}`,
    {
      hint: `Leave it out, or name ${better.snapshot.slice(0, 8)}: this one ended after that, or its log has a gap.`,
    },
  )
}

function unreachable(
  { target, source }: RecoveryWish,
  reason: string,
  windows: readonly TimedWindow[],
  branch = 'branch',
): AppError {
  const hint = windows.length === 0 ? `Run "lifeboat backup ${source}" first.` : adviseMoment(target, windows, branch)
  return new AppError('target-invalid', `cannot recover ${source} to ${describeRecoveryTarget(target)}: ${reason}`, {
    hint,
  })
}

/** The moment may lie on a branch that recovery does not go along, because another one left it before. */
export function adviseMoment(target: RecoveryTarget, windows: readonly TimedWindow[], branchWord: string): string {
  const at = target.kind === 'time' ? target.epochMicros / 1000 : Number.NaN
  const other = windows.findLast(({ from, to }) => from.getTime() <= at && at <= to.getTime())
  const branch = other === undefined ? '' : `Add --${branchWord} ${other.branch}: that moment lies on it. `
  return `${branch}Choose a moment within: ${windows.map(window => describeTimed(window, branchWord)).join('; ')}.`
}

function newest(log: LogRecovery): number {
  return Math.max(0, ...log.bases.map(base => base.endedAt.getTime()))
}

function describeTimed(window: TimedWindow, branchWord: string): string {
  const range = `${formatTime(window.from)} to ${formatTime(window.to)}`
  return window.branch === 1 ? range : `${range} (--${branchWord} ${window.branch})`
}
