import { expect, test } from 'vitest'
import type { Snapshot } from '../../repository/index.ts'
import { missingPoints } from './missing-points.ts'

/** The n-th point, taken for these policies. */
function point(n: number, policies = 'nightly', more: Partial<Snapshot> = {}): Snapshot {
  const id = String(n).padStart(64, '0')
  const tags = [
    'lifeboat',
    'source:app',
    ...policies
      .split(' ')
      .filter(Boolean)
      .map(name => `policy:${name}`),
  ]
  const own = { id, tree: id, time: new Date(n * 1000), tags, hostname: 'here', username: 'u', paths: ['/app'] }
  return { ...own, ...more }
}

/** As `copy` makes it. */
const copied = (original: Snapshot): Snapshot => ({
  ...original,
  id: `c${original.id.slice(1)}`,
  original: original.id,
})

const missing = (here: readonly Snapshot[], there: readonly Snapshot[], policies = ['nightly']): number[] =>
  missingPoints(here, there, {
    source: 'app',
    hostname: 'here',
    policies: new Set(policies),
    now: new Date(100_000),
  }).map(({ time }) => time.getTime() / 1000)

const [one, two, three, four] = [point(1), point(2), point(3), point(4)]

test('a repository lacks what came after the newest point that both have', () => {
  expect(missing([one, two, three, four], [copied(one), copied(two)])).toEqual([3, 4])
  expect(missing([one, two], [copied(one), copied(two)])).toEqual([])
})

test('what it let go by its own retention is not missed', () => {
  expect(missing([one, two, three, four], [copied(three)])).toEqual([4])
})

test('an empty one lacks everything', () => {
  expect(missing([one, two], [])).toEqual([1, 2])
})

test('what was captured there alone says nothing of what it lacks', () => {
  expect(missing([one, two], [copied(one), point(3)])).toEqual([2])
})

test('the one that was captured into lacks what is a copy of nothing', () => {
  expect(missing([copied(one), two], [one])).toEqual([2])
})

test('a point of other policies is not missed, and does not hide one that is', () => {
  const other = point(5, 'other')
  expect(missing([one, two, other], [copied(one)])).toEqual([2])
  expect(missing([one, two, other], [copied(one), copied(other)])).toEqual([2])
  expect(missing([one, point(6, 'other nightly')], [copied(one)])).toEqual([6])
  expect(missing([one, point(6, '')], [copied(one)])).toEqual([6])
})

test('nobody misses what another machine, another source, a restore or a wrong clock left', () => {
  const strangers = [
    point(5, 'nightly', { hostname: 'elsewhere' }),
    point(6, 'nightly', { tags: ['lifeboat', 'source:docs'] }),
    point(7, 'nightly', { tags: ['lifeboat', 'source:app', 'safety'] }),
    point(10_000),
  ]
  expect(missing([one, ...strangers], [copied(one)])).toEqual([])
})
