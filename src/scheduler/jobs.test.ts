import { expect, test } from 'vitest'
import type { PolicySettings } from '../model/settings.ts'
import { jobsOf } from './jobs.ts'

const policy = (more: Partial<PolicySettings>): PolicySettings => ({
  sources: ['app'],
  repositories: ['main'],
  ...more,
})
const UPKEEP = { forget: '30 4 * * *', prune: '0 5 * * 0', check: '0 6 * * 6' }

function namesOf(policies: Record<string, PolicySettings>, maintenance = UPKEEP): string[] {
  return jobsOf({ policies: new Map(Object.entries(policies)), maintenance }).map(job => job.name)
}

test('a policy with a schedule is backed up, and what it fills is looked after', () => {
  const policies = {
    nightly: policy({ schedule: '0 2 * * *', keep: { last: 3 }, repositories: ['main', 'offsite'] }),
    hourly: policy({ schedule: '0 * * * *' }),
    byHand: policy({ repositories: ['archive'] }),
  }
  expect(namesOf(policies)).toEqual([
    'backup nightly',
    'backup hourly',
    'forget main',
    'forget offsite',
    'prune main',
    'prune offsite',
    'check main',
    'check offsite',
    'alerts',
  ])
})

test('nothing is forgotten where no rule says what is kept, and upkeep can be off', () => {
  expect(namesOf({ nightly: policy({ schedule: '0 2 * * *' }) })).toEqual([
    'backup nightly',
    'prune main',
    'check main',
    'alerts',
  ])
  const { check, ...withoutCheck } = UPKEEP
  expect(check).toBeDefined()
  const jobs = jobsOf({ policies: new Map([['n', policy({ schedule: '@daily' })]]), maintenance: withoutCheck })
  expect(jobs.map(job => job.command.join(' '))).toEqual(['backup --policy n', 'prune --repo main', 'alerts check'])
})

test('each has its own zone, else this machine’s', () => {
  const policies = new Map([
    ['here', policy({ schedule: '@daily' })],
    ['there', policy({ schedule: '@daily', timezone: 'Asia/Tokyo', jitter: 5, except: ['2026-12-24'] })],
  ])
  const [here, there] = jobsOf({ policies, maintenance: {} })
  expect(here?.schedule.timezone).toBe(Intl.DateTimeFormat().resolvedOptions().timeZone)
  expect(there?.schedule).toEqual({
    cron: '@daily',
    timezone: 'Asia/Tokyo',
    jitterMs: 5,
    window: undefined,
    except: ['2026-12-24'],
  })
})
