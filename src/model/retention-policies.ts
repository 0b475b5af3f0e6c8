import { policiesOf } from './recovery-point.ts'
import { applyRetention, type RetainedSnapshot, type RetentionDecision, type RetentionRules } from './retention.ts'

/** The rules of one policy; without a name those that a person typed, for all snapshots whatever they are tagged with. */
export interface RetentionPolicy {
  readonly name: string | undefined
  /** Undefined: it keeps all that was taken for it. */
  readonly keep: RetentionRules | undefined
  /** IANA name: where a day begins. */
  readonly timezone: string
}

/**
 * Which snapshots of one group stay: those that any policy keeps. A policy judges the snapshots that carry its tag, so
 * that the frequent ones of another do not crowd them out. Those that carry no tag of a policy that there is (taken by
 * hand, or for one that was renamed or removed) are judged by all.
 */
export function applyPolicies<S extends RetainedSnapshot>(
  snapshots: readonly S[],
  policies: readonly RetentionPolicy[],
  now: Date,
): RetentionDecision<S>[] {
  const names = new Set(policies.map(({ name }) => name))
  const verdicts = new Map<S, RetentionDecision<S>[]>()
  for (const policy of policies) {
    const members = snapshots.filter(snapshot => isJudgedBy(snapshot, policy, names))
    for (const decision of decideFor(policy, members, now)) {
      const label = policy.name === undefined ? '' : `policy ${policy.name}: `
      const labelled = { ...decision, reasons: decision.reasons.map(reason => label + reason) }
      verdicts.set(decision.snapshot, [...(verdicts.get(decision.snapshot) ?? []), labelled])
    }
  }
  return snapshots
    .toSorted((a, b) => b.time.getTime() - a.time.getTime())
    .map(snapshot => unite(snapshot, verdicts.get(snapshot) ?? []))
}

/** What any keeps, stays. */
function unite<S>(snapshot: S, verdicts: readonly RetentionDecision<S>[]): RetentionDecision<S> {
  const keep = verdicts.some(each => each.keep)
  const reasons = verdicts.filter(each => each.keep === keep).flatMap(each => each.reasons)
  return { snapshot, keep, reasons, byRule: verdicts.some(each => each.byRule) }
}

function isJudgedBy(
  { tags }: RetainedSnapshot,
  { name, keep }: RetentionPolicy,
  names: ReadonlySet<string | undefined>,
): boolean {
  if (name === undefined) return true
  const owners = policiesOf(tags).filter(owner => names.has(owner))
  return owners.includes(name) || (owners.length === 0 && keep !== undefined)
}

function decideFor<S extends RetainedSnapshot>(
  { keep, timezone }: RetentionPolicy,
  members: readonly S[],
  now: Date,
): RetentionDecision<S>[] {
  if (keep !== undefined) return applyRetention(members, keep, { timezone, now })
  return members.map(snapshot => ({ snapshot, keep: true, reasons: ['keeps all'], byRule: true }))
}
