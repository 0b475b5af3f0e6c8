import { expect, test } from 'vitest'
import type { RecoveryPoint } from '../../model/recovery-point.ts'
import { freshnessOf, joinCopies } from './copies-of-points.ts'

const POLICIES = new Map([
  ['nightly', { sources: ['app'], repositories: ['main', 'far'] }],
  ['weekly', { sources: ['app', 'docs'], repositories: ['main'] }],
])

/** The n-th point, in one repository. */
const point = (n: number, repository: string, more: Partial<RecoveryPoint> = {}): RecoveryPoint => ({
  key: `key ${n}`,
  id: `${n}${repository}`,
  shortId: `${n}${repository}`,
  time: new Date(n * 60_000),
  source: 'app',
  kind: 'sqlite',
  type: 'full',
  repository,
  hostname: 'here',
  paths: [],
  tags: [],
  policies: ['nightly'],
  pin: undefined,
  sizeBytes: 1,
  addedBytes: 1,
  incomplete: 0,
  proof: 'recorded',
  provenAt: undefined,
  ...more,
})

/** Behind in each repository. */
const behind = (points: readonly RecoveryPoint[], repositories = ['main', 'far']): unknown =>
  freshnessOf(joinCopies(points, repositories), repositories, {
    policies: POLICIES,
    unknown: [],
    now: new Date(60 * 60_000),
  }).map(({ source, repositories: each }) => [
    source,
    ...each.map(({ repository, newest, behind: n }) => `${repository} ${newest && newest.getTime() / 60_000} ${n}`),
  ])

test('copies of one point become one, with the id of the nearest', () => {
  const joined = joinCopies([point(1, 'far'), point(1, 'main'), point(2, 'far')], ['main', 'far'])
  expect(joined.map(({ id, copies }) => [id, copies.map(copy => copy.id)])).toEqual([
    ['1main', ['1main', '1far']],
    ['2far', ['2far']],
  ])
})

test('a repository is behind by what is newer elsewhere than its newest', () => {
  expect(behind([point(1, 'main'), point(1, 'far'), point(2, 'main'), point(3, 'main')])).toEqual([
    ['app', 'main 3 0', 'far 1 2'],
  ])
  expect(behind([point(1, 'main')])).toEqual([['app', 'main 1 0', 'far undefined 1']])
})

test('what it let go of is older, and counts for nothing', () => {
  expect(behind([point(1, 'main'), point(2, 'main'), point(3, 'main'), point(3, 'far')])).toEqual([
    ['app', 'main 3 0', 'far 3 0'],
  ])
})

test('what other policies took, a restore made safe or a wrong clock made keeps no repository behind', () => {
  const more = [
    point(2, 'main', { policies: ['weekly'] }),
    point(3, 'main', { tags: ['safety'] }),
    point(10_000, 'main'),
    point(4, 'main', { source: 'docs', policies: ['weekly'] }),
  ]
  expect(behind([point(1, 'main'), point(1, 'far'), ...more])).toEqual([['app', 'main 2 0', 'far 1 0']])
})
