import { expect, test } from 'vitest'
import type { SlotRecord } from '../../catalog/catalog.ts'
import type { Schedule } from '../../model/schedule.ts'
import type { CopiedPoint } from '../snapshots/copies-of-points.ts'
import { allowedAge, conditionsOf, type PolicyFacts, type SourceFacts } from './conditions.ts'

const NOW = new Date('2026-05-20T12:00:00Z')
const HOUR = 3_600_000
const DAY = 24 * HOUR
const ago = (ms: number): Date => new Date(NOW.getTime() - ms)
const DAILY: Schedule = { cron: '0 2 * * *', timezone: 'UTC' }

function point(ageMs: number, more: Partial<CopiedPoint> = {}): CopiedPoint {
  const only = {
    key: String(ageMs),
    id: 'a'.repeat(64),
    shortId: 'aaaaaaaa',
    time: ago(ageMs),
    source: 'app',
    kind: 'sqlite',
    type: 'incremental',
    repository: 'main',
    hostname: 'h',
    paths: [],
    tags: [],
    policies: ['nightly'],
    pin: undefined,
    sizeBytes: 1,
    addedBytes: 1,
    incomplete: 0,
    proof: 'recorded' as const,
    provenAt: undefined,
    ...more,
  }
  return { copies: [only], ...only }
}

const policy = (more: Partial<PolicyFacts> = {}): PolicyFacts => ({
  name: 'nightly',
  schedule: DAILY,
  rpoMs: undefined,
  since: ago(30 * DAY),
  pausedUntil: undefined,
  slots: [],
  verifies: false,
  ...more,
})

function codes(facts: Partial<SourceFacts>): string[] {
  const main = { repository: 'main', isKnown: true, newest: undefined, behind: 0 }
  const all = { source: 'app', policies: [policy()], points: [point(10 * HOUR)], repositories: [main], ...facts }
  const found = conditionsOf(all, NOW)
  // Whoever is told wants to know what to type.
  for (const { hint } of found) expect(hint).toContain('lifeboat ')
  return found.map(each => `${each.severity} ${each.code}`)
}

test('nothing is wrong with a backup of last night', () => {
  expect(codes({})).toEqual([])
})

test('a source without any recovery point is an error, unless nothing is known of its repositories', () => {
  expect(codes({ points: [] })).toEqual(['error no-recovery-point'])
  const unknown = { repository: 'main', isKnown: false, newest: undefined, behind: 0 }
  expect(codes({ points: [], repositories: [unknown] })).toEqual([])
})

test('older than the objective is overdue; without one, older than 25 hours or than the schedule asks', () => {
  expect(codes({ points: [point(26 * HOUR)] })).toEqual(['error recovery-point-overdue', 'warning run-missed'])
  expect(codes({ policies: [policy({ rpoMs: HOUR })] })).toEqual(['error recovery-point-overdue'])
  const weekly = policy({ schedule: { cron: '0 2 * * 0', timezone: 'UTC' } })
  expect(codes({ policies: [weekly], points: [point(3 * DAY)] })).toEqual([])
  expect(codes({ policies: [policy({ schedule: undefined })], points: [point(90 * DAY)] })).toEqual([])
})

test('the strictest policy decides how old it may be', () => {
  expect(allowedAge([policy({ rpoMs: 5 * DAY }), policy({ rpoMs: HOUR })], NOW)).toBe(HOUR)
  expect(allowedAge([policy({ schedule: undefined })], NOW)).toBeUndefined()
})

test('an expected backup that is not there is missed, also where another policy made one', () => {
  const other = point(5 * HOUR, { policies: ['hourly'] })
  expect(codes({ points: [point(34 * HOUR), other] })).toEqual(['warning run-missed'])
  const byHand = point(5 * HOUR, { policies: [] })
  expect(codes({ points: [byHand] })).toEqual([])
})

test('nothing is missed within the hour that a backup takes, in a pause, or before the schedule was seen', () => {
  const late: Partial<PolicyFacts> = { schedule: { cron: '30 11 * * *', timezone: 'UTC' } }
  expect(codes({ policies: [policy(late)], points: [point(20 * HOUR)] })).toEqual([])
  const missed = { points: [point(24 * HOUR)] }
  expect(codes(missed)).toEqual(['warning run-missed'])
  expect(codes({ ...missed, policies: [policy({ pausedUntil: ago(-DAY) })] })).toEqual([])
  expect(codes({ ...missed, policies: [policy({ since: ago(HOUR) })] })).toEqual([])
  expect(codes({ ...missed, policies: [policy({ since: undefined })] })).toEqual([])
})

test('a policy that fails is a warning, three times in a row an error', () => {
  const slot = (phase: SlotRecord['phase']): SlotRecord => ({
    job: 'backup nightly',
    at: NOW,
    wall: '',
    timezone: 'UTC',
    schedule: 'h',
    attempt: 1,
    phase,
    changedAt: NOW,
  })
  const of = (...phases: SlotRecord['phase'][]) => codes({ policies: [policy({ slots: phases.map(slot) })] })
  expect(of('done', 'given-up')).toEqual([])
  expect(of('running', 'failed', 'done')).toEqual(['warning policy-failing'])
  expect(of('failed', 'given-up', 'given-up', 'done')).toEqual(['error policy-failing'])
})

test('a failed proof is an error; one that is too old is a warning where the policy verifies', () => {
  expect(codes({ points: [point(10 * HOUR, { proof: 'failed', provenAt: ago(HOUR) })] })).toEqual([
    'error proof-failed',
  ])
  const proven = point(40 * DAY, { proof: 'restored', provenAt: ago(36 * DAY) })
  const points = [proven, point(10 * HOUR)]
  expect(codes({ points, policies: [policy({ verifies: true })] })).toEqual(['warning proof-too-old'])
  expect(codes({ points })).toEqual([])
  expect(codes({ policies: [policy({ verifies: true })] })).toEqual([])
})

test('a repository that lacks newer points is behind, and an incomplete point says so', () => {
  const offsite = { repository: 'offsite', isKnown: true, newest: ago(5 * DAY), behind: 4 }
  expect(codes({ repositories: [offsite] })).toEqual(['warning copy-behind'])
  expect(codes({ points: [point(10 * HOUR, { incomplete: 2 })] })).toEqual(['warning recovery-point-incomplete'])
})
