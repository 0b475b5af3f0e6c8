import { expect, test } from 'vitest'
import type { PolicySettings } from '../../model/settings.ts'
import { type CopyWish, copyJobsOf } from './copy-jobs.ts'

const policy = (sources: readonly string[], repositories: readonly string[]): PolicySettings => ({
  sources,
  repositories,
})

const POLICIES = {
  nightly: policy(['app', 'docs'], ['main', 'offsite']),
  weekly: policy(['app'], ['main', 'disk']),
  here: policy(['cache'], ['main']),
}

function jobs(
  wish: CopyWish,
  policies: Readonly<Record<string, PolicySettings>> = POLICIES,
  repositories = ['main', 'offsite', 'disk'],
) {
  const settings = {
    file: 'lifeboat.yaml',
    baseDir: '/',
    repositories: new Map(repositories.map(name => [name, {}])),
    sources: new Map(['app', 'docs', 'cache'].map(name => [name, { kind: 'files', options: {} }])),
    policies: new Map(Object.entries(policies)),
    maintenance: {},
  }
  return copyJobsOf({ settings }, wish).map(
    ({ from, to, sources }) => `${from} > ${to}: ${sources?.join(' ') ?? 'everything'}`,
  )
}

test('where nothing is named each source goes from the first repository of its policies to the others', () => {
  expect(jobs({})).toEqual(['main > offsite: app docs', 'main > disk: app'])
  expect(jobs({ sources: ['docs'] })).toEqual(['main > offsite: docs'])
  const crossed = { a: policy(['app'], ['main', 'disk']), b: policy(['docs'], ['disk', 'main']) }
  expect(jobs({}, crossed)).toEqual(['main > disk: app', 'disk > main: docs'])
})

test('from a repository that is named each source goes to the others of its policies', () => {
  expect(jobs({ from: 'offsite' })).toEqual(['offsite > main: app docs', 'offsite > disk: app'])
})

test('to a repository that is named goes everything, or the sources that are named', () => {
  expect(jobs({ to: ['disk'] })).toEqual(['main > disk: everything'])
  expect(jobs({ to: ['main'] })).toEqual(['offsite > main: everything'])
  expect(jobs({ to: ['disk', 'offsite', 'disk'], sources: ['app', 'app'] })).toEqual([
    'main > disk: app',
    'main > offsite: app',
  ])
  expect(jobs({ from: 'disk', to: ['/other'] })).toEqual(['disk > /other: everything'])
})

test.each<[CopyWish, string]>([
  [{ from: 'main', to: ['main'] }, 'main cannot be copied to itself'],
  [{ to: ['ofsite'] }, 'there is no repository "ofsite"'],
  [{ from: 'mian' }, 'there is no repository "mian"'],
  [{ sources: ['ap'] }, 'there is no source "ap"'],
  [{ from: '/elsewhere' }, 'no policy takes a source to several repositories'],
  [{ sources: ['cache'] }, 'no policy takes a source to several repositories'],
])('%j is refused', (wish, message) => {
  expect(() => jobs(wish)).toThrow(message)
})

test('with one repository there is nothing to copy from or to', () => {
  expect(() => jobs({}, {}, ['main'])).toThrow('no policy takes a source to several repositories')
  expect(() => jobs({ to: ['main'] }, {}, ['main'])).toThrow('there is no other repository to copy from')
})
