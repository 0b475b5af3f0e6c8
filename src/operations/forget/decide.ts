import type { Id } from '../../model/node.ts'
import { describePin, keeps, type Pin } from '../../model/pin.ts'
import { isSafetyPoint, labelsOf, type ProofRecord, policiesOf } from '../../model/recovery-point.ts'
import { groupForRetention, type RetentionDecision } from '../../model/retention.ts'
import { applyPolicies, type RetentionPolicy } from '../../model/retention-policies.ts'
import { findWrongTime } from '../../model/snapshot-time.ts'
import type { Snapshot } from '../../repository/index.ts'
import { SAFETY_DAYS } from '../restore/needed-snapshots.ts'

/** A policy's rules, and whose snapshots they are for. */
export interface SourcePolicy extends RetentionPolicy {
  readonly sources: readonly string[]
}

/** What is known beside the snapshots. */
export interface RetentionFacts {
  /** Only these sources' snapshots. What other programs wrote is never touched. */
  readonly sources: readonly string[]
  /** All policies of these sources in this repository, those that say nothing of keeping too. */
  readonly policies: readonly SourcePolicy[]
  /** Snapshots that stay whatever the rules say, with the reason: what `undo` and unfinished restores need. */
  readonly needed: ReadonlyArray<{ readonly snapshot: Id; readonly reason: string }>
  /** This machine's name: what `undo` needs on others is not known here. */
  readonly hostname: string
  readonly pins: readonly Pin[]
  readonly proofs: ReadonlyMap<Id, ProofRecord>
  readonly now: Date
}

/** When it was stored, by the storage's clock, where that is known. */
export type StoredSnapshot = Snapshot & { readonly storedAt?: Date | undefined }

/** A snapshot, and why it stays or goes. */
export interface Judged {
  readonly snapshot: StoredSnapshot
  readonly reasons: readonly string[]
}

export interface ForgetGroup {
  /** `app@host`, `app@host (schema)`. */
  readonly group: string
  readonly keep: readonly Judged[]
  readonly remove: readonly Judged[]
}

type Decision = RetentionDecision<StoredSnapshot>

/** What goes, by group. */
export function decide(snapshots: readonly StoredSnapshot[], facts: RetentionFacts): ForgetGroup[] {
  const { sources, policies } = facts
  // Those of other sources too: what a policy took in one run stays together.
  const judged = new Set([...sources, ...policies.flatMap(policy => policy.sources)])
  const groups = [...groupForRetention(snapshots.filter(snapshot => judged.has(sourceOf(snapshot))))]
  const decided = groups.map(([group, members]) => ({ group, decisions: judge(members, facts) }))
  // Who types a number gets that number.
  const isTyped = policies.some(({ name }) => name === undefined)
  const companions = findCompanions(isTyped ? [] : decided.flatMap(({ decisions }) => decisions ?? []))
  return decided.flatMap(({ group, decisions }) => {
    const first = decisions?.[0]
    if (decisions === undefined || first === undefined || !sources.includes(sourceOf(first.snapshot))) return []
    const settled = withBest(
      decisions.map(each => withCompanion(each, companions)),
      facts,
    )
    return [{ group, keep: settled.filter(({ keep }) => keep), remove: settled.filter(({ keep }) => !keep) }]
  })
}

/** By rules, pins and needs. Undefined: no policy of the group says anything of keeping. */
function judge(members: readonly StoredSnapshot[], facts: RetentionFacts): Decision[] | undefined {
  const policies = facts.policies.filter(({ sources }) => members.some(each => sources.includes(sourceOf(each))))
  if (policies.every(({ keep }) => keep === undefined)) return undefined
  return applyPolicies(members, policies, facts.now).map(decision => {
    const pinned = facts.pins.filter(pin => pin.snapshot === decision.snapshot.id && keeps(pin, facts.now))
    const kept = pinned.reduce((before, pin) => keptFor(before, [describePin(pin)]), decision)
    return {
      ...keptFor(kept, neededFor(decision.snapshot, facts)),
      // A pin is meant for the whole of what was taken together; what an undo needs is not.
      byRule: decision.byRule || pinned.length > 0,
    }
  })
}

/** Why it goes is of no interest any more. */
function keptFor(decision: Decision, reasons: readonly string[]): Decision {
  if (reasons.length === 0) return decision
  return { ...decision, keep: true, reasons: [...(decision.keep ? decision.reasons : []), ...reasons] }
}

function neededFor(snapshot: Snapshot, { needed, hostname, now }: RetentionFacts): string[] {
  const reasons = needed.filter(each => each.snapshot === snapshot.id).map(({ reason }) => reason)
  const isForeign = isSafetyPoint(snapshot.tags) && snapshot.hostname !== hostname
  const isYoung = now.getTime() - snapshot.time.getTime() < SAFETY_DAYS * 86_400_000
  return isForeign && isYoung
    ? [...reasons, `safety point of ${snapshot.hostname}, kept for ${SAFETY_DAYS} days`]
    : reasons
}

/** Of each run of a policy a source of which a snapshot stays because somebody wants it. */
function findCompanions(decisions: readonly Decision[]): ReadonlyMap<string, string> {
  const wanted = decisions.filter(({ byRule }) => byRule)
  return new Map(wanted.flatMap(({ snapshot }) => runsOf(snapshot).map(run => [run, sourceOf(snapshot)] as const)))
}

/** Sources that one policy backs up at once belong together: brought back, they have to be of one time. */
function withCompanion(decision: Decision, companions: ReadonlyMap<string, string>): Decision {
  if (decision.keep) return decision
  const [companion] = runsOf(decision.snapshot).flatMap(run => companions.get(run) ?? [])
  return companion === undefined ? decision : keptFor(decision, [`with ${companion} of the same run`])
}

function runsOf({ tags }: Snapshot): string[] {
  const { run } = labelsOf(tags)
  return run === undefined ? [] : policiesOf(tags).map(policy => `${policy} ${run}`)
}

/** Whatever the rules say: the newest that lacks nothing, and the newest that is proven to come back. */
function withBest(decisions: readonly Decision[], { proofs, now }: RetentionFacts): Decision[] {
  const proofOf = ({ snapshot }: Decision): string | undefined => proofs.get(snapshot.id)?.proof
  const timely = decisions.filter(({ snapshot }) => findWrongTime(snapshot, now) === undefined)
  const good = timely.find(each => labelsOf(each.snapshot.tags).incomplete === undefined && proofOf(each) !== 'failed')
  const proven = timely.find(each => proofOf(each) !== undefined && proofOf(each) !== 'failed')
  return decisions.map(decision => {
    if (decision.keep || (decision !== good && decision !== proven)) return decision
    return keptFor(decision, [
      ...(decision === good ? ['the newest that is whole'] : []),
      ...(decision === proven ? ['the newest that is proven'] : []),
    ])
  })
}

function sourceOf({ tags }: Snapshot): string {
  return labelsOf(tags).source ?? ''
}
