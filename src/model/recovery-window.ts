import type { RecoveryTarget } from './recovery-target.ts'
import { type Lsn, parseLsn, segmentName, segmentNumberAt, segmentNumberBefore, type TimelineSwitch } from './wal.ts'

/** A physical backup, as far as recovery needs to know it. */
export interface BaseBackup {
  readonly snapshot: string
  readonly systemIdentifier: string
  readonly timeline: number
  readonly startLsn: Lsn
  readonly stopLsn: Lsn
  readonly stoppedAt: Date
  /** Transactions from this number on began after the backup's end; 64 bits. */
  readonly nextXid: bigint | undefined
}

/** What an archive holds of one cluster's log. */
export interface LogCoverage {
  readonly segmentBytes: number
  /** Timeline -> numbers of its segments; the last one may be unfinished. */
  readonly segments: ReadonlyMap<number, ReadonlySet<bigint>>
  /** Timeline -> its ancestors, from its `.history`. */
  readonly histories: ReadonlyMap<number, readonly TimelineSwitch[]>
}

/** A stretch of time in which every moment can be recovered. */
export interface RecoveryWindow {
  readonly timeline: number
  /** The backups that it begins with, oldest first. */
  readonly bases: readonly BaseBackup[]
  readonly from: Date
  readonly fromLsn: Lsn
  /** End of the last segment that is there without a gap. */
  readonly toLsn: Lsn
  /** Name of that segment; undefined when nothing after the backups is archived. */
  readonly lastSegment: string | undefined
}

export interface LogGap {
  readonly timeline: number
  readonly firstMissing: string
  readonly lastMissing: string
  readonly count: number
}

/**
 * The recovery windows of one cluster, oldest first. Each base backup reaches as far as the log follows it without a
 * gap, on its timeline and on those that left it later; bases that reach the same end share a window. A window that lies
 * within another one's is left out.
 */
export function listRecoveryWindows(bases: readonly BaseBackup[], log: LogCoverage): RecoveryWindow[] {
  const timelines = new Set([...bases.map(base => base.timeline), ...log.segments.keys()])
  const windows = [...timelines].flatMap(timeline => windowsOn(timeline, bases, log))
  return windows
    .filter(window => !windows.some(other => other !== window && contains(other, window, log)))
    .toSorted((a, b) => a.from.getTime() - b.from.getTime())
}

function windowsOn(timeline: number, bases: readonly BaseBackup[], log: LogCoverage): RecoveryWindow[] {
  const path = new TimelinePath(timeline, log)
  const byEnd = new Map<bigint | undefined, BaseBackup[]>()
  for (const base of bases.toSorted((a, b) => Number(a.stopLsn - b.stopLsn))) {
    if (!path.holds(base.timeline, base.stopLsn)) continue
    const end = path.endFrom(base)
    byEnd.set(end, [...(byEnd.get(end) ?? []), base])
  }
  return [...byEnd].flatMap(([end, members]) => {
    const [first] = members
    if (first === undefined) return []
    return {
      timeline,
      bases: members,
      from: first.stoppedAt,
      fromLsn: first.stopLsn,
      toLsn: end === undefined ? maxLsn(members.map(base => base.stopLsn)) : (end + 1n) * BigInt(log.segmentBytes),
      lastSegment: end === undefined ? undefined : path.nameAt(end),
    }
  })
}

/** Is every moment of `inner` one of `outer`? */
function contains(outer: RecoveryWindow, inner: RecoveryWindow, log: LogCoverage): boolean {
  if (outer.timeline === inner.timeline) return false
  const path = new TimelinePath(outer.timeline, log)
  const segment = BigInt(log.segmentBytes)
  const reach = path.switchOf(inner.timeline)
  // A timeline's last segment is copied to the next one up to the switch, so its end may lie within it.
  return reach !== undefined && inner.toLsn < reach + segment && inner.bases.every(base => outer.bases.includes(base))
}

/** A timeline with its ancestors: which of them the log at a position is on. */
class TimelinePath {
  readonly #timeline: number
  readonly #switches: readonly TimelineSwitch[]
  readonly #log: LogCoverage

  constructor(timeline: number, log: LogCoverage) {
    this.#timeline = timeline
    this.#switches = log.histories.get(timeline) ?? []
    this.#log = log
  }

  /** Where an ancestor was left. */
  switchOf(timeline: number): Lsn | undefined {
    return this.#switches.find(ancestor => ancestor.timeline === timeline)?.switchLsn
  }

  holds(timeline: number, lsn: Lsn): boolean {
    if (timeline === this.#timeline) return true
    const left = this.switchOf(timeline)
    return left !== undefined && lsn <= left
  }

  /**
   * Number of the last segment that follows the backup's end without a gap, or undefined. The log up to its end is in
   * its snapshot, but the segment that it ends in may go on after it.
   */
  endFrom(base: BaseBackup): bigint | undefined {
    let number = segmentNumberBefore(base.stopLsn, this.#log.segmentBytes)
    if (this.nameAt(number) === undefined) return undefined
    while (this.nameAt(number + 1n) !== undefined) number++
    return number
  }

  /** The archived segment with this number that recovery along this path reads, or undefined. */
  nameAt(number: bigint): string | undefined {
    const start = number * BigInt(this.#log.segmentBytes)
    const candidates = [
      this.#timeline,
      ...this.#switches
        .filter(s => s.switchLsn > start)
        .map(s => s.timeline)
        .toReversed(),
    ]
    const newestFirst = candidates.toSorted((a, b) => b - a)
    const found = newestFirst.find(timeline => this.#log.segments.get(timeline)?.has(number))
    return found === undefined ? undefined : segmentName({ timeline: found, number }, this.#log.segmentBytes)
  }
}

function maxLsn(positions: readonly Lsn[]): Lsn {
  return positions.reduce((a, b) => (a > b ? a : b), 0n)
}

/** Segments that are missing between the first and the last of a timeline. */
export function listGaps(log: LogCoverage): LogGap[] {
  return [...log.segments].flatMap(([timeline, numbers]) => {
    const ordered = [...numbers].toSorted((a, b) => (a < b ? -1 : 1))
    return ordered.flatMap((number, i) => {
      const before = ordered[i - 1]
      if (before === undefined || number === before + 1n) return []
      const name = (at: bigint): string => segmentName({ timeline, number: at }, log.segmentBytes)
      return {
        timeline,
        firstMissing: name(before + 1n),
        lastMissing: name(number - 1n),
        count: Number(number - before - 1n),
      }
    })
  })
}

/** Why a target can't be reached, for people. */
export interface Unreachable {
  readonly reason: string
}

/**
 * The newest backup from which a target can be reached, or why there is none. `toTimes`: up to when the log of a window
 * reaches, by its last segment's name, where it is known.
 */
export function chooseBase(
  target: RecoveryTarget,
  windows: readonly RecoveryWindow[],
  toTimes: ReadonlyMap<string, Date>,
): BaseBackup | Unreachable {
  const all = windows.flatMap(window => window.bases.map(base => ({ base, window })))
  if (all.length === 0) return { reason: 'there is no physical backup' }
  const before = all.filter(({ base }) => isBefore(base, target))
  if (before.length === 0) return { reason: 'it is before the end of the first backup' }
  const reaching = before.filter(({ window }) => reaches(window, target, toTimes))
  const newest = reaching.toSorted((a, b) => b.base.stoppedAt.getTime() - a.base.stoppedAt.getTime())[0]
  return newest?.base ?? { reason: 'the archived log does not reach it, or has a gap before it' }
}

function isBefore(base: BaseBackup, target: RecoveryTarget): boolean {
  if (target.kind === 'time') return base.stoppedAt <= target.time
  if (target.kind === 'lsn') return base.stopLsn <= (parseLsn(target.lsn) ?? 0n)
  if (target.kind === 'xid') return base.nextXid === undefined || isXidFrom(base.nextXid, BigInt(target.xid))
  return true
}

/** People write transaction numbers with 32 bits or with 64. */
function isXidFrom(nextXid: bigint, xid: bigint): boolean {
  return xid >= 1n << 32n ? xid >= nextXid : xid >= (nextXid & 0xffffffffn)
}

function reaches(window: RecoveryWindow, target: RecoveryTarget, toTimes: ReadonlyMap<string, Date>): boolean {
  if (target.kind === 'lsn') return (parseLsn(target.lsn) ?? 0n) <= window.toLsn
  if (target.kind !== 'time') return true
  const to = window.lastSegment === undefined ? undefined : toTimes.get(window.lastSegment)
  if (window.lastSegment === undefined) return window.bases.some(base => base.stoppedAt >= target.time)
  return to === undefined || target.time <= to
}

/**
 * The log files that no kept backup needs: all that end before the oldest of them begins. Nothing goes when no backup
 * is kept, and histories always stay.
 */
export function listUnneededSegments(bases: readonly BaseBackup[], log: LogCoverage): string[] {
  if (bases.length === 0) return []
  const oldest = bases.reduce((a, b) => (a.startLsn < b.startLsn ? a : b))
  const keepFrom = segmentNumberAt(oldest.startLsn, log.segmentBytes)
  return [...log.segments].flatMap(([timeline, numbers]) =>
    [...numbers]
      .filter(number => number < keepFrom)
      .map(number => segmentName({ timeline, number }, log.segmentBytes))
      .toSorted(),
  )
}
