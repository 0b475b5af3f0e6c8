import { expect, it } from 'vitest'
import { forgetTasks } from './forget-snapshots.ts'

const SOURCE = { kind: 'sqlite', options: {} }
const settings = {
  file: '/app/lifeboat.yaml',
  baseDir: '/app',
  repositories: new Map([
    ['main', {}],
    ['offsite', {}],
    ['cold', {}],
  ]),
  sources: new Map([['app', SOURCE]]),
  policies: new Map([
    [
      'nightly',
      {
        sources: ['app'],
        repositories: ['main', 'offsite'],
        keep: { daily: 7 },
        keepIn: { offsite: { monthly: 24 } },
      },
    ],
    ['archive', { sources: ['app'], repositories: ['cold'], keepIn: { cold: { yearly: 10 } } }],
  ]),
  maintenance: {},
}

it('each repository keeps by its own rules, and by those for all where it has none', () => {
  const tasks = forgetTasks({ settings }, { dryRun: true })
  expect(tasks.map(({ repository, policies }) => [repository, policies.map(({ keep }) => keep)])).toEqual([
    ['main', [{ daily: 7 }]],
    ['offsite', [{ monthly: 24 }]],
    ['cold', [{ yearly: 10 }]],
  ])
})
