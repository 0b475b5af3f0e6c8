import type { Clock } from '../../base/clock.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import { describePin, keeps, type Pin } from '../../model/pin.ts'
import { isSafetyPoint, labelsOf } from '../../model/recovery-point.ts'
import { assertRules, groupForRetention } from '../../model/retention.ts'
import { applyPolicies, type RetentionPolicy } from '../../model/retention-policies.ts'
import type { ChooseSnapshots, PruneOptions, PruneReport, Repository, Snapshot } from '../../repository/index.ts'
import { SAFETY_DAYS } from '../restore/needed-snapshots.ts'

/** A policy's rules, and whose snapshots they are for. */
export interface SourcePolicy extends RetentionPolicy {
  readonly sources: readonly string[]
}

export interface ForgetRequest {
  readonly repository: Repository
  /** Only these sources' snapshots. What other programs wrote is never touched. */
  readonly sources: readonly string[]
  /** All policies of these sources in this repository, those that say nothing of keeping too. */
  readonly policies: readonly SourcePolicy[]
  /** Snapshots that stay whatever the rules say, with the reason: what `undo` and unfinished restores need. */
  readonly needed: ReadonlyArray<{ readonly snapshot: Id; readonly reason: string }>
  /** This machine's name: what `undo` needs on others is not known here. */
  readonly hostname: string
  readonly dryRun: boolean
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly lockWaitMs?: number | undefined
  /** Free the space afterwards. */
  readonly prune: Omit<PruneOptions, 'dryRun' | 'signal' | 'lockWaitMs' | 'withoutSnapshots'> | undefined
}

export interface ForgetGroup {
  /** `app@host`, `app@host (schema)`. */
  readonly group: string
  readonly keep: ReadonlyArray<{ readonly snapshot: Snapshot; readonly reasons: readonly string[] }>
  readonly remove: readonly Snapshot[]
}

export interface ForgetResult {
  readonly dryRun: boolean
  readonly groups: readonly ForgetGroup[]
  readonly removed: number
  readonly prune: PruneReport | undefined
  readonly findings: readonly Finding[]
}

/** Drops snapshots that neither a policy nor a pin keeps; the newest of each group always stays. */
export async function forget(request: ForgetRequest): Promise<ForgetResult> {
  for (const { keep } of request.policies) if (keep !== undefined) assertRules(keep)
  const { repository, dryRun, signal, lockWaitMs } = request
  let groups: readonly ForgetGroup[] = []
  const choose: ChooseSnapshots = (snapshots, pins) => {
    groups = decide(snapshots, pins, request)
    return listGone(groups)
  }
  const { snapshots } = await repository.listSnapshots()
  const pinned = await repository.listPins()
  const seen = choose(snapshots, pinned.pins)
  // Decided again on what is there once nobody else can forget: the rules hold for what will be left.
  if (!dryRun && seen.length > 0) await repository.removeSnapshots(choose, { signal, lockWaitMs })
  const gone = listGone(groups)
  const prune = await pruneAfter(request, gone)
  return { dryRun, groups, removed: gone.length, prune, findings: pinned.findings }
}

function listGone(groups: readonly ForgetGroup[]): Id[] {
  return groups.flatMap(group => group.remove.map(snapshot => snapshot.id))
}

async function pruneAfter(request: ForgetRequest, gone: readonly Id[]): Promise<PruneReport | undefined> {
  if (request.prune === undefined) return undefined
  const { dryRun, signal, lockWaitMs } = request
  const withoutSnapshots = dryRun ? gone : undefined
  return request.repository.prune({ ...request.prune, dryRun, signal, lockWaitMs, withoutSnapshots })
}

function decide(snapshots: readonly Snapshot[], pins: readonly Pin[], request: ForgetRequest): ForgetGroup[] {
  const now = request.clock.now()
  const reasonsOf = new Map(pins.filter(pin => keeps(pin, now)).map(pin => [pin.snapshot, describePin(pin)]))
  const own = snapshots.filter(snapshot => request.sources.includes(sourceOf(snapshot)))
  return [...groupForRetention(own)].flatMap(([group, members]) => {
    const policies = request.policies.filter(({ sources }) => members.some(each => sources.includes(sourceOf(each))))
    if (policies.every(({ keep }) => keep === undefined)) return []
    const decisions = applyPolicies(members, policies, now).map(({ snapshot, reasons }) => {
      const pinned = reasonsOf.get(snapshot.id)
      const kept = pinned === undefined ? reasons : [...reasons, pinned]
      return { snapshot, reasons: [...kept, ...neededFor(snapshot, request, now)] }
    })
    return [
      {
        group,
        keep: decisions.filter(({ reasons }) => reasons.length > 0),
        remove: decisions.filter(({ reasons }) => reasons.length === 0).map(({ snapshot }) => snapshot),
      },
    ]
  })
}

function neededFor(snapshot: Snapshot, { needed, hostname }: ForgetRequest, now: Date): string[] {
  const reasons = needed.filter(each => each.snapshot === snapshot.id).map(({ reason }) => reason)
  const isForeign = isSafetyPoint(snapshot.tags) && snapshot.hostname !== hostname
  const isYoung = now.getTime() - snapshot.time.getTime() < SAFETY_DAYS * 86_400_000
  return isForeign && isYoung
    ? [...reasons, `safety point of ${snapshot.hostname}, kept for ${SAFETY_DAYS} days`]
    : reasons
}

function sourceOf({ tags }: Snapshot): string {
  return labelsOf(tags).source ?? ''
}
