import fc from 'fast-check'
import { expect, test } from 'vitest'
import { policiesOf, policyTag } from './recovery-point.ts'
import { applyRetention, type RetainedSnapshot, type RetentionRules } from './retention.ts'
import { applyPolicies, type RetentionPolicy } from './retention-policies.ts'
import { parseRetentionDuration } from './retention-time.ts'

const NOW = new Date('2026-03-15T12:00:00Z')
const DAY_MS = 86_400_000

const policy = (name: string | undefined, keep: RetentionRules | undefined): RetentionPolicy => ({
  name,
  keep,
  timezone: 'UTC',
})
const within = (text: string): RetentionRules => ({ within: parseRetentionDuration(text) })
function taken(daysAgo: number, ...policies: string[]): RetainedSnapshot & { readonly daysAgo: number } {
  const tags = ['lifeboat', 'source:app', ...policies.map(policyTag)]
  return { daysAgo, time: new Date(NOW.getTime() - daysAgo * DAY_MS), tags }
}

const stay = (snapshots: ReadonlyArray<ReturnType<typeof taken>>, ...policies: RetentionPolicy[]): number[] =>
  applyPolicies(snapshots, policies, NOW)
    .filter(({ keep }) => keep)
    .map(({ snapshot }) => snapshot.daysAgo)

test('a snapshot stays if any policy keeps it, in whichever order they are', () => {
  const snapshots = [0, 5, 10, 15].map(day => taken(day))
  const [last, month] = [policy('last', { last: 1 }), policy('month', within('30d'))]
  expect(stay(snapshots, last)).toEqual([0])
  expect(stay(snapshots, last, month)).toEqual([0, 5, 10, 15])
  expect(stay(snapshots, month, last)).toEqual([0, 5, 10, 15])
})

test('each policy judges its own, and the frequent ones crowd out nothing', () => {
  const often = [0, 1, 2, 3, 4].map(day => taken(day, 'often'))
  const monthly = [10, 40, 70].map(day => taken(day, 'monthly'))
  const policies = [policy('often', { last: 2 }), policy('monthly', within('90d'))]
  // Nor does the long span of one keep what was taken for another.
  expect(stay([...often, ...monthly], ...policies)).toEqual([0, 1, 10, 40, 70])
  expect(stay([...monthly], ...policies)).toEqual([10, 40, 70])
})

test('one of several policies stays as long as the most patient wants', () => {
  const both = [0, 1, 2].map(day => taken(day, 'a', 'b'))
  expect(stay(both, policy('a', { last: 1 }), policy('b', { last: 3 }))).toEqual([0, 1, 2])
})

test('taken by hand, or for a policy that is no more, it is judged by all', () => {
  const policies = [policy('a', { last: 1 }), policy('b', { last: 2 })]
  expect(stay([taken(0), taken(1), taken(2)], ...policies)).toEqual([0, 1])
  expect(stay([taken(0, 'gone'), taken(1, 'gone'), taken(2, 'gone')], ...policies)).toEqual([0, 1])
})

test('a policy that says nothing of keeping keeps its own, and no others', () => {
  const policies = [policy('archive', undefined), policy('a', { last: 1 })]
  const snapshots = [taken(0), taken(1), taken(50, 'archive'), taken(60, 'archive')]
  expect(stay(snapshots, ...policies)).toEqual([0, 50, 60])
})

test('rules that a person typed are for all', () => {
  expect(stay([taken(0, 'a'), taken(1, 'b'), taken(2)], policy(undefined, { last: 1 }))).toEqual([0])
})

test('tells which policy keeps what, and why', () => {
  const decisions = applyPolicies([taken(0, 'a', 'b')], [policy('a', { last: 1 }), policy('b', { daily: 7 })], NOW)
  expect(decisions[0]?.reasons).toEqual(['policy a: last snapshot', 'policy b: daily snapshot'])
})

test('nothing goes that any one policy alone would keep', () => {
  const names = ['a', 'b', 'c']
  const rules = fc.oneof(
    fc.record({ last: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ daily: fc.integer({ min: 1, max: 9 }), weekly: fc.integer({ min: 1, max: 4 }) }),
    fc.integer({ min: 1, max: 60 }).map(days => within(`${days}d`)),
    fc.integer({ min: 1, max: 60 }).map(days => ({ window: parseRetentionDuration(`${days}d`) })),
    fc.constant(undefined),
  )
  const policies = fc.uniqueArray(fc.record({ name: fc.constantFrom(...names), keep: rules }), {
    selector: ({ name }) => name,
    minLength: 1,
  })
  const snapshots = fc.uniqueArray(
    fc.record({ hours: fc.integer({ min: -500, max: 2000 }), owners: fc.subarray([...names, 'gone']) }),
    { selector: ({ hours }) => hours, maxLength: 40 },
  )
  fc.assert(
    fc.property(policies, snapshots, (given, made) => {
      const all = made.map(({ hours, owners }) => taken(hours / 24, ...owners))
      const kept = new Set(stay(all, ...given.map(({ name, keep }) => policy(name, keep))))
      for (const { name, keep } of given) {
        const known = new Set(given.map(each => each.name))
        const own = all.filter(({ tags }) => policiesOf(tags).includes(name))
        const nobodys = all.filter(({ tags }) => !policiesOf(tags).some(owner => known.has(owner)))
        const alone =
          keep === undefined
            ? own
            : applyRetention([...own, ...nobodys], keep, { timezone: 'UTC', now: NOW }).flatMap(each =>
                each.keep ? [each.snapshot] : [],
              )
        for (const { daysAgo } of alone) expect(kept).toContain(daysAgo)
      }
    }),
    { numRuns: 200 },
  )
})
