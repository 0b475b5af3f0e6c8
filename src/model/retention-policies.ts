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
  const reasons = new Map<S, string[]>()
  for (const policy of policies) {
    const members = snapshots.filter(snapshot => isJudgedBy(snapshot, policy, names))
    for (const decision of decideFor(policy, members, now)) {
      if (!decision.keep) continue
      const label = policy.name === undefined ? '' : `policy ${policy.name}: `
      const known = reasons.get(decision.snapshot) ?? []
      reasons.set(decision.snapshot, [...known, ...decision.reasons.map(reason => label + reason)])
    }
  }
  return snapshots
    .toSorted((a, b) => b.time.getTime() - a.time.getTime())
    .map(snapshot => ({ snapshot, keep: reasons.has(snapshot), reasons: reasons.get(snapshot) ?? [] }))
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
  return members.map(snapshot => ({ snapshot, keep: true, reasons: ['keeps all'] }))
}
