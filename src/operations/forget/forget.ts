import type { Clock } from '../../base/clock.ts'
import type { Id } from '../../model/node.ts'
import { labelsOf } from '../../model/recovery-point.ts'
import { applyRetention, assertRules, groupForRetention, type RetentionRules } from '../../model/retention.ts'
import type { PruneOptions, PruneReport, Repository, Snapshot } from '../../repository/index.ts'

export interface ForgetRequest {
  readonly repository: Repository
  /** Only these sources' snapshots. What other programs wrote is never touched. */
  readonly sources: readonly string[]
  readonly keep: RetentionRules
  /** IANA name: where a day begins. */
  readonly timezone: string
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
}

/** Drops snapshots that no rule keeps; the newest of each group always stays. */
export async function forget(request: ForgetRequest): Promise<ForgetResult> {
  assertRules(request.keep)
  const { repository, dryRun, signal, lockWaitMs } = request
  let groups = decide((await repository.listSnapshots()).snapshots, request)
  if (!dryRun && listGone(groups).length > 0) {
    // Decided again on what is there once nobody else can forget: the rules hold for what will be left.
    const choose = (snapshots: readonly Snapshot[]): readonly Id[] => {
      groups = decide(snapshots, request)
      return listGone(groups)
    }
    await repository.removeSnapshots(choose, { signal, lockWaitMs })
  }
  const gone = listGone(groups)
  const prune = await pruneAfter(request, gone)
  return { dryRun, groups, removed: gone.length, prune }
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

function decide(snapshots: readonly Snapshot[], request: ForgetRequest): ForgetGroup[] {
  const own = snapshots.filter(snapshot => request.sources.includes(labelsOf(snapshot.tags).source ?? ''))
  const context = { timezone: request.timezone, now: request.clock.now() }
  return [...groupForRetention(own)].map(([group, members]) => {
    const decisions = applyRetention(members, request.keep, context)
    return {
      group,
      keep: decisions.filter(decision => decision.keep).map(({ snapshot, reasons }) => ({ snapshot, reasons })),
      remove: decisions.filter(decision => !decision.keep).map(decision => decision.snapshot),
    }
  })
}
