import { type Lsn, segmentName, segmentNumberAt, segmentNumberBefore, type TimelineSwitch } from './wal.ts'

/** A physical backup, as far as recovery needs to know it. */
export interface BaseBackup {
  readonly snapshot: string
  readonly timeline: number
  readonly startLsn: Lsn
  readonly stopLsn: Lsn
  readonly stoppedAt: Date
  /** Transactions from this number on began after the backup's end; 64 bits. */
  readonly nextXid: bigint | undefined
}

/** What an archive holds of one cluster's log. */
export interface WalCoverage {
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

export interface WalGap {
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
export function listRecoveryWindows(bases: readonly BaseBackup[], log: WalCoverage): RecoveryWindow[] {
  const timelines = new Set([...bases.map(base => base.timeline), ...log.segments.keys()])
  const windows = [...timelines].flatMap(timeline => windowsOn(timeline, bases, log))
  return windows
    .filter(window => !windows.some(other => other !== window && contains(other, window, log)))
    .toSorted((a, b) => a.from.getTime() - b.from.getTime())
}

function windowsOn(timeline: number, bases: readonly BaseBackup[], log: WalCoverage): RecoveryWindow[] {
  const path = new TimelinePath(timeline, log)
  const byEnd = new Map<bigint | undefined, BaseBackup[]>()
  // Newest first: what follows a newer one is known then.
  for (const base of bases.toSorted((a, b) => Number(b.stopLsn - a.stopLsn))) {
    if (!path.holds(base.timeline, base.stopLsn)) continue
    const end = path.endFrom(base)
    const members = byEnd.get(end)
    if (members === undefined) byEnd.set(end, [base])
    else members.push(base)
  }
  return [...byEnd].flatMap(([end, newestFirst]) => {
    const members = newestFirst.toReversed()
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
function contains(outer: RecoveryWindow, inner: RecoveryWindow, log: WalCoverage): boolean {
  if (outer.timeline === inner.timeline) return false
  const path = new TimelinePath(outer.timeline, log)
  const segment = BigInt(log.segmentBytes)
  const reach = path.switchOf(inner.timeline)
  // A timeline's last segment is copied to the next one up to the switch, so its end may lie within it.
  return reach !== undefined && inner.toLsn < reach + segment && inner.bases.every(base => outer.bases.includes(base))
}

/** A backup with the log that recovery would read after it. */
export interface LoggedBase {
  readonly base: BaseBackup
  /** The one that recovery goes along; the log before its beginning is its ancestors'. */
  readonly timeline: number
  /** End of the last segment that is there without a gap, or of the backup. */
  readonly toLsn: Lsn
  /** Name of that segment; undefined when nothing after the backup is archived. */
  readonly lastSegment: string | undefined
}

/**
 * The backups that can be recovered along a timeline, newest first. `along` is as in `recovery_target_timeline`: a
 * number, `current` for each backup's own, or `latest`, as PostgreSQL finds it: the last of those that follow a backup's
 * without a gap in their numbers. A backup that lies on a branch which that timeline left before is none of them.
 */
export function listLoggedBases(bases: readonly BaseBackup[], log: WalCoverage, along = 'latest'): LoggedBase[] {
  const newestFirst = bases.toSorted((a, b) => (a.stopLsn < b.stopLsn ? 1 : a.stopLsn > b.stopLsn ? -1 : 0))
  const paths = new Map<number, TimelinePath>()
  const found: LoggedBase[] = []
  for (const base of newestFirst) {
    const timeline = timelineFrom(base.timeline, log, along)
    const path = paths.get(timeline) ?? new TimelinePath(timeline, log)
    paths.set(timeline, path)
    if (!path.holds(base.timeline, base.stopLsn)) continue
    const end = path.endFrom(base)
    const toLsn = end === undefined ? base.stopLsn : (end + 1n) * BigInt(log.segmentBytes)
    found.push({ base, timeline, toLsn, lastSegment: end === undefined ? undefined : path.nameAt(end) })
  }
  return found
}

/** The names of the archived segments that hold what follows a backup's end, up to a position. */
export function* listSegmentsAfter({ base, timeline, toLsn, lastSegment }: LoggedBase, until: Lsn, log: WalCoverage) {
  if (lastSegment === undefined) return
  const path = new TimelinePath(timeline, log)
  const last = segmentNumberBefore(until < toLsn ? until : toLsn, log.segmentBytes)
  for (let number = segmentNumberBefore(base.stopLsn, log.segmentBytes); number <= last; number++) {
    const name = path.nameAt(number)
    if (name !== undefined) yield name
  }
}

function timelineFrom(own: number, { histories }: WalCoverage, along: string): number {
  if (along === 'current') return own
  if (along !== 'latest') return Number(along)
  let newest = own
  while (histories.has(newest + 1)) newest++
  return newest
}

/** A timeline with its ancestors: which of them the log at a position is on. */
class TimelinePath {
  readonly #timeline: number
  readonly #switches: readonly TimelineSwitch[]
  readonly #log: WalCoverage
  /** Where the log ends that goes on from a backup's last segment: it is walked through once for all backups. */
  readonly #ends = new Map<bigint, bigint>()

  constructor(timeline: number, log: WalCoverage) {
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
    const first = segmentNumberBefore(base.stopLsn, this.#log.segmentBytes)
    if (this.nameAt(first) === undefined) return undefined
    let number = first
    while (this.nameAt(number + 1n) !== undefined) {
      number++
      const known = this.#ends.get(number)
      if (known !== undefined) number = known
    }
    this.#ends.set(first, number)
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
export function listGaps(log: WalCoverage): WalGap[] {
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

/**
 * The log files that no kept backup needs: all that end before the oldest of them begins. Nothing goes when no backup
 * is kept, and histories always stay.
 */
export function listUnneededSegments(bases: readonly BaseBackup[], log: WalCoverage): string[] {
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
