import type { RecoveryTarget } from '../../../../model/recovery-target.ts'
import type { BaseBackup, LoggedBase } from './recovery-window.ts'
import { type Lsn, parseLsn } from './wal.ts'

/** Why a target can't be reached, for people. */
export interface Unreachable {
  readonly reason: string
}

/** A target whose place in the log is known: by itself, or because it was looked for. */
export type PlacedTarget =
  | Exclude<RecoveryTarget, { readonly kind: 'name' | 'transaction' }>
  | { readonly kind: 'found'; readonly lsn: Lsn }

/**
 * The newest backup that ended before a target and from which the log reaches it, or why there is none.
 *
 * @param newestFirst All backups on the timeline that recovery goes along.
 * @param toTimes Up to when the log reaches, by its last segment's name, where it is known.
 */
export function chooseBase(
  target: PlacedTarget,
  newestFirst: readonly LoggedBase[],
  toTimes: ReadonlyMap<string, Date>,
): LoggedBase | Unreachable {
  if (newestFirst.length === 0) return { reason: 'there is no physical backup' }
  const before = newestFirst.filter(({ base }) => isBefore(base, target))
  if (before.length === 0) return { reason: 'it is before the end of the first backup' }
  const chosen = before.find(logged => reaches(logged, target, toTimes))
  return chosen ?? { reason: 'the archived log does not reach it, or has a gap before it' }
}

function isBefore(base: BaseBackup, target: PlacedTarget): boolean {
  if (target.kind === 'time') return base.stoppedAt.getTime() * 1000 <= target.epochMicros
  if (target.kind === 'position') return base.stopLsn <= (parseLsn(target.position) ?? 0n)
  if (target.kind === 'found') return base.stopLsn <= target.lsn
  return true
}

function reaches(logged: LoggedBase, target: PlacedTarget, toTimes: ReadonlyMap<string, Date>): boolean {
  if (target.kind === 'position') return (parseLsn(target.position) ?? 0n) <= logged.toLsn
  if (target.kind === 'found') return target.lsn <= logged.toLsn
  if (target.kind !== 'time') return true
  const { lastSegment, base } = logged
  const written = lastSegment === undefined ? base.stoppedAt : toTimes.get(lastSegment)
  // A backup reaches its own end, whenever the last segment that it needs was written.
  const to = Math.max(written?.getTime() ?? Number.POSITIVE_INFINITY, base.stoppedAt.getTime())
  return target.epochMicros <= to * 1000 + 999
}

/**
 * The backups after which a transaction can have ended, oldest first. One begins after the end of each backup whose next
 * number it has or exceeds, so it ended after that; an older one may have ended long after it began.
 */
export function listBasesBefore(xid: bigint, newestFirst: readonly LoggedBase[]): LoggedBase[] {
  const began = newestFirst.findIndex(({ base }) => base.nextXid === undefined || isXidFrom(base.nextXid, xid))
  return newestFirst.slice(0, began < 0 ? newestFirst.length : began + 1).toReversed()
}

/** People write transaction numbers with 32 bits or with 64. */
function isXidFrom(nextXid: bigint, xid: bigint): boolean {
  return xid >= 1n << 32n ? xid >= nextXid : xid >= (nextXid & 0xffffffffn)
}
