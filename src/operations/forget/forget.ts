import type { Clock } from '../../base/clock.ts'
import { formatDuration } from '../../base/durations.ts'
import { formatTime } from '../../base/times.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import { assertRules } from '../../model/retention.ts'
import { findWrongTime } from '../../model/snapshot-time.ts'
import type {
  ChooseSnapshots,
  LockedSnapshot,
  PruneOptions,
  PruneReport,
  RemoveOptions,
  Repository,
} from '../../repository/index.ts'
import { decide, type ForgetGroup, type Judged, type RetentionFacts, type StoredSnapshot } from './decide.ts'

export interface ForgetRequest extends Omit<RetentionFacts, 'pins' | 'now'>, RemoveOptions {
  readonly repository: Repository
  readonly dryRun: boolean
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Free the space afterwards. */
  readonly prune: Omit<PruneOptions, 'dryRun' | 'signal' | 'lockWaitMs' | 'withoutSnapshots'> | undefined
}

export interface ForgetResult {
  readonly dryRun: boolean
  readonly groups: readonly ForgetGroup[]
  readonly removed: number
  /** That were to go, and that the storage does not let go of. */
  readonly locked: number
  readonly prune: PruneReport | undefined
  readonly findings: readonly Finding[]
}

/** Drops snapshots that neither a policy nor a pin keeps; the newest of each group always stays. */
export async function forget(request: ForgetRequest): Promise<ForgetResult> {
  for (const { keep } of request.policies) if (keep !== undefined) assertRules(keep)
  const { repository, dryRun, signal } = request
  const { now, findings: clockFindings } = await presentTime(request)
  const times = await repository.readSnapshotTimes(signal)
  let groups: readonly ForgetGroup[] = []
  const choose: ChooseSnapshots = (snapshots, pins) => {
    const stored = snapshots.map(snapshot => ({ ...snapshot, storedAt: times.get(snapshot.id) }))
    groups = decide(stored, { ...request, pins, now })
    return groups.flatMap(({ remove }) => remove.map(({ snapshot }) => snapshot.id))
  }
  const { snapshots } = await repository.listSnapshots()
  const pinned = await repository.listPins()
  const seen = choose(snapshots, pinned.pins)
  // Decided again on what is there once nobody else can forget: the rules hold for what will be left.
  const locked = !dryRun && seen.length > 0 ? await repository.removeSnapshots(choose, request) : []
  const settled = groups.map(group => withLocked(group, locked))
  const gone = settled.flatMap(({ remove }) => remove.map(({ snapshot }) => snapshot.id))
  const prune = await pruneAfter(request, gone)
  const findings = [...pinned.findings, ...clockFindings, ...wrongTimes(settled, now), ...lockedFindings(locked)]
  return { dryRun, groups: settled, removed: gone.length, locked: locked.length, prune, findings }
}

async function pruneAfter(request: ForgetRequest, gone: readonly Id[]): Promise<PruneReport | undefined> {
  if (request.prune === undefined) return undefined
  const { dryRun, signal, lockWaitMs, withoutLock } = request
  const withoutSnapshots = dryRun ? gone : undefined
  return request.repository.prune({ ...request.prune, dryRun, signal, lockWaitMs, withoutLock, withoutSnapshots })
}

/** Clocks that people keep differ by less. */
const CLOCK_OFF_MS = 5 * 60_000

/** What is kept how long must not hang on a clock that is wrong: the storage's is kept by somebody. */
async function presentTime({
  repository,
  clock,
}: Pick<ForgetRequest, 'repository' | 'clock'>): Promise<{ now: Date; findings: Finding[] }> {
  const now = clock.now()
  const theirs = await repository.readStorageClock()
  const offMs = now.getTime() - (theirs ?? now).getTime()
  if (theirs === undefined || Math.abs(offMs) <= CLOCK_OFF_MS) return { now, findings: [] }
  const message = `the clock of this machine is ${formatDuration(Math.abs(offMs))} ${offMs > 0 ? 'ahead of' : 'behind'} that of the storage, which was followed`
  const hint = 'Let NTP keep both ("timedatectl set-ntp true").'
  return { now: theirs, findings: [{ severity: 'warning', code: 'clock-off', subject: 'clock', message, hint }] }
}

function wrongTimes(groups: readonly ForgetGroup[], now: Date): Finding[] {
  const wrong = groups
    .flatMap(({ keep }) => keep.map(({ snapshot }) => snapshot))
    .filter((snapshot: StoredSnapshot) => findWrongTime(snapshot, now) !== undefined)
  const [first] = wrong
  if (first === undefined) return []
  const id = first.id.slice(0, SHORT_ID_DIGITS)
  return [
    {
      severity: 'warning',
      code: 'snapshot-time-wrong',
      subject: wrong.length === 1 ? `snapshot ${id}` : `${wrong.length} snapshots`,
      message: `dated in the future, or after ${wrong.length === 1 ? 'it was' : 'they were'} stored: by a wrong clock, or by somebody who wants good ones to be forgotten. No good one goes for ${wrong.length === 1 ? 'it' : 'them'}`,
      hint: `Look at what is in it; "lifeboat forget ${id}" removes it.`,
      affects: wrong.map(snapshot => snapshot.id),
    },
  ]
}

/** What is locked stays. */
function withLocked(group: ForgetGroup, locked: readonly LockedSnapshot[]): ForgetGroup {
  const lockOf = ({ snapshot }: Judged): LockedSnapshot | undefined => locked.find(({ id }) => id === snapshot.id)
  const left = group.remove.filter(each => lockOf(each) !== undefined)
  if (left.length === 0) return group
  const kept = left.map(each => ({ ...each, reasons: [describeLock(lockOf(each))] }))
  return { ...group, keep: [...group.keep, ...kept], remove: group.remove.filter(each => !left.includes(each)) }
}

const describeLock = (lock: LockedSnapshot | undefined): string =>
  lock?.until === undefined ? 'locked in the storage' : `locked in the storage until ${formatTime(lock.until)}`

export function lockedFindings(locked: readonly LockedSnapshot[]): Finding[] {
  const [last] = locked.toSorted((a, b) => (b.until?.getTime() ?? 0) - (a.until?.getTime() ?? 0))
  if (last === undefined) return []
  const message = `${locked.length} ${locked.length === 1 ? 'snapshot' : 'snapshots'} could go, but ${locked.length === 1 ? 'is' : 'are'} ${describeLock(last)}`
  const hint = 'Run the same command again then.'
  return [{ severity: 'warning', code: 'snapshots-locked', subject: 'snapshots', message, hint }]
}
