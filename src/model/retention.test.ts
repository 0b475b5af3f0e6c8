import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { applyRetention, groupForRetention, type RetentionRules } from './retention.ts'
import { Calendar, formatRetentionDuration, isoWeek, parseRetentionDuration } from './retention-time.ts'

interface Snapshot {
  readonly time: Date
  readonly tags: readonly string[]
  readonly hostname: string
  readonly paths: readonly string[]
}

const NOW = new Date('2026-03-15T12:00:00Z')
const UTC = { timezone: 'UTC', now: NOW }

const at = (time: string, tags: readonly string[] = []): Snapshot => ({
  time: new Date(time),
  tags,
  hostname: 'h',
  paths: ['/p'],
})

const HISTORY = [
  '2024-12-31T23:30:00Z',
  '2025-01-01T00:30:00Z',
  '2025-06-10T10:00:00Z',
  '2026-02-01T01:00:00Z',
  '2026-02-28T01:00:00Z',
  '2026-03-08T23:00:00Z',
  '2026-03-09T01:00:00Z',
  '2026-03-14T01:00:00Z',
  '2026-03-14T01:20:00Z',
  '2026-03-15T01:00:00Z',
].map(time => at(time))

function kept(rules: RetentionRules, snapshots = HISTORY, context = UTC): string[] {
  return applyRetention(snapshots, rules, context)
    .filter(decision => decision.keep)
    .map(decision => decision.snapshot.time.toISOString().slice(0, 16))
}

describe('each rule keeps what restic keeps', () => {
  test.each<[string, RetentionRules, string[]]>([
    ['last', { last: 2 }, ['2026-03-15T01:00', '2026-03-14T01:20']],
    ['all', { last: -1 }, HISTORY.map(one => one.time.toISOString().slice(0, 16)).toReversed()],
    ['hourly', { hourly: 2 }, ['2026-03-15T01:00', '2026-03-14T01:20']],
    ['daily', { daily: 3 }, ['2026-03-15T01:00', '2026-03-14T01:20', '2026-03-09T01:00']],
    ['weekly, from Monday to Sunday', { weekly: 3 }, ['2026-03-15T01:00', '2026-03-08T23:00', '2026-02-28T01:00']],
    ['monthly', { monthly: 2 }, ['2026-03-15T01:00', '2026-02-28T01:00']],
    ['yearly', { yearly: 3 }, ['2026-03-15T01:00', '2025-06-10T10:00', '2024-12-31T23:30']],
    [
      'the oldest, while counts are left',
      { monthly: 9 },
      ['2026-03-15T01:00', '2026-02-28T01:00', '2025-06-10T10:00', '2025-01-01T00:30', '2024-12-31T23:30'],
    ],
    [
      'within, counted from the newest',
      { within: parseRetentionDuration('7d') },
      ['2026-03-15T01:00', '2026-03-14T01:20', '2026-03-14T01:00', '2026-03-09T01:00', '2026-03-08T23:00'],
    ],
    ['daily within', { withinDaily: parseRetentionDuration('2d') }, ['2026-03-15T01:00', '2026-03-14T01:20']],
    ['together: what any of them keeps', { last: 1, yearly: 2 }, ['2026-03-15T01:00', '2025-06-10T10:00']],
  ])('%s', (_, rules, expected) => {
    expect(kept(rules)).toEqual(expected)
  })
})

test('days begin where the policy lives', () => {
  const times = [at('2026-03-10T15:30:00Z'), at('2026-03-10T16:30:00Z'), at('2026-03-10T17:30:00Z')]
  expect(kept({ daily: 5 }, times, UTC)).toEqual(['2026-03-10T17:30', '2026-03-10T15:30'])
  expect(kept({ daily: 1 }, times, { timezone: 'Asia/Shanghai', now: NOW })).toEqual(['2026-03-10T17:30'])
  const decisions = applyRetention(times, { daily: 5 }, { timezone: 'Asia/Shanghai', now: NOW })
  expect(decisions.map(decision => decision.reasons)).toEqual([
    ['daily snapshot'],
    ['not the newest of its day'],
    ['daily snapshot'],
  ])
})

test('tags: any of the lists, all of a list; the newest stays although no rule wants it', () => {
  const snapshots = [
    at('2026-03-01T00:00:00Z', ['a', 'b']),
    at('2026-03-02T00:00:00Z', ['a']),
    at('2026-03-03T00:00:00Z', ['c']),
    at('2026-03-04T00:00:00Z', []),
  ]
  const decisions = applyRetention(snapshots, { tags: ['a,b', 'c'] }, UTC)
  expect(decisions.map(decision => decision.reasons)).toEqual([
    ['newest'],
    ['has tags c'],
    ['has no tag a,b or c'],
    ['has tags a,b'],
  ])
})

test('one from the future does not cost the last good one', () => {
  const snapshots = [at('2026-03-01T00:00:00Z'), at('2026-03-02T00:00:00Z'), at('2036-03-02T00:00:00Z')]
  expect(kept({ last: 1 }, snapshots)).toEqual(['2036-03-02T00:00', '2026-03-02T00:00'])
  expect(kept({ last: 2 }, snapshots)).toHaveLength(3)
  expect(kept({ yearly: 2 }, [at('2025-03-01T00:00:00Z'), ...snapshots])).toEqual([
    '2036-03-02T00:00',
    '2026-03-02T00:00',
    '2025-03-01T00:00',
  ])
  expect(kept({ within: parseRetentionDuration('1d') }, snapshots)).toEqual(['2036-03-02T00:00', '2026-03-02T00:00'])
})

test.each<RetentionRules>([{}, { last: 0 }, { tags: [] }, { last: -2 }, { daily: 1.5 }])('refuses %j', rules => {
  expect(() => applyRetention(HISTORY, rules, UTC)).toThrow(expect.objectContaining({ code: 'usage' }))
})

test('groups by source, schema and data apart; without a source by host and paths', () => {
  const tags = (source: string, type: string): string[] => ['lifeboat', `source:${source}`, `type:${type}`]
  const snapshots = [
    at('2026-03-01T00:00:00Z', tags('app', 'full')),
    at('2026-03-01T00:00:00Z', tags('app', 'incremental')),
    at('2026-03-01T00:00:00Z', tags('app', 'schema')),
    at('2026-03-01T00:00:00Z', tags('docs', 'full')),
    at('2026-03-01T00:00:00Z', ['source:app']),
  ]
  const sizes = [...groupForRetention(snapshots)].map(([key, group]) => [key, group.length])
  expect(sizes).toEqual([
    ['app@h', 2],
    ['app@h (schema)', 1],
    ['docs@h', 1],
    ['h:/p', 1],
  ])
})

describe('properties', () => {
  const times = fc.array(fc.date({ min: new Date('2019-01-01'), max: new Date('2027-01-01'), noInvalidDate: true }), {
    minLength: 1,
    maxLength: 60,
  })
  const count = fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined })
  const duration = fc.option(
    fc
      .record({ years: fc.nat(3), months: fc.nat(20), days: fc.nat(60), hours: fc.nat(100) })
      .filter(({ years, months, days, hours }) => years + months + days + hours > 0),
    { nil: undefined },
  )
  const rulesOf = fc
    .record({
      last: count,
      hourly: count,
      daily: count,
      weekly: count,
      monthly: count,
      yearly: count,
      within: duration,
    })
    .filter(rules => Object.values(rules).some(rule => rule !== undefined))
  const zone = fc.constantFrom('UTC', 'Asia/Shanghai', 'America/New_York', 'Australia/Lord_Howe', 'Pacific/Apia')

  test('the newest stays; everything gets one verdict; more generous rules never keep fewer', () => {
    fc.assert(
      fc.property(times, rulesOf, zone, (dates, rules, timezone) => {
        const snapshots = dates.map(time => ({ time, tags: [] }))
        const decisions = applyRetention(snapshots, rules, { timezone, now: NOW })
        expect(decisions).toHaveLength(snapshots.length)
        expect(decisions[0]?.keep).toBe(true)
        const newest = snapshots.filter(one => one.time < NOW).toSorted((a, b) => +b.time - +a.time)[0]
        if (newest) expect(decisions.find(decision => +decision.snapshot.time === +newest.time)?.keep).toBe(true)
        for (const decision of decisions) expect(decision.reasons).not.toEqual([])
        const generous = applyRetention(snapshots, { ...rules, last: (rules.last ?? 0) + 5 }, { timezone, now: NOW })
        for (const [index, decision] of decisions.entries()) {
          if (decision.keep) expect(generous[index]?.keep).toBe(true)
        }
      }),
      { numRuns: 150 },
    )
  })

  test('forgetting again with the same rules, at the same time, forgets nothing more that counts', () => {
    fc.assert(
      fc.property(times, fc.integer({ min: 1, max: 8 }), (dates, days) => {
        const snapshots = dates.filter(time => time < NOW).map(time => ({ time, tags: [] }))
        const stay = applyRetention(snapshots, { daily: days }, UTC).filter(decision => decision.keep)
        const again = applyRetention(
          stay.map(decision => decision.snapshot),
          { daily: days },
          UTC,
        )
        expect(again.every(decision => decision.keep)).toBe(true)
      }),
      { numRuns: 100 },
    )
  })

  test('a duration survives being written and read', () => {
    fc.assert(
      fc.property(duration, value => {
        if (value) expect(parseRetentionDuration(formatRetentionDuration(value))).toEqual(value)
      }),
    )
  })
})

describe('calendar', () => {
  test.each([
    ['2026-03-31T10:00:00Z', '1m', 'UTC', '2026-03-03T10:00:00.000Z'],
    ['2024-02-29T10:00:00Z', '1y', 'UTC', '2023-03-01T10:00:00.000Z'],
    ['2026-03-15T12:00:00Z', '1y5m7d2h', 'UTC', '2024-10-08T10:00:00.000Z'],
    // Summer time began on 29 March: the same wall clock, 23 hours before.
    ['2026-03-29T12:00:00Z', '1d', 'Europe/Berlin', '2026-03-28T13:00:00.000Z'],
    ['2026-03-29T12:00:00Z', '24h', 'Europe/Berlin', '2026-03-28T12:00:00.000Z'],
    ['2026-03-29T12:00:00.250Z', '24h', 'Asia/Kathmandu', '2026-03-28T12:00:00.250Z'],
  ])('%s less %s in %s', (time, duration, zone, expected) => {
    expect(new Calendar(zone).before(new Date(time), parseRetentionDuration(duration)).toISOString()).toBe(expected)
  })

  test.each([
    [2024, 12, 30, 2025, 1],
    [2021, 1, 3, 2020, 53],
    [2026, 1, 1, 2026, 1],
    [2026, 12, 31, 2026, 53],
  ])('%i-%i-%i is in week %i-%i', (year, month, day, weekYear, week) => {
    expect(isoWeek({ year, month, day, hour: 0, minute: 0, second: 0 })).toEqual({ year: weekYear, week })
  })

  test.each(['', '7', 'd', '7x', '2h1d', '-1d', '0d', '7d7d', '99999999999d'])('refuses the duration %j', text => {
    expect(() => parseRetentionDuration(text)).toThrow(expect.objectContaining({ code: 'usage' }))
  })

  test('refuses an unknown zone', () => {
    expect(() => new Calendar('Mars/Olympus')).toThrow(expect.objectContaining({ code: 'usage' }))
  })
})

test('a window keeps what every moment of it is recovered from', () => {
  const rule = (text: string): RetentionRules => ({ window: parseRetentionDuration(text) })
  // 2026-03-08T12:00 is seven days before; the backup before that covers the first hours of the window.
  expect(kept(rule('7d'))).toEqual([
    '2026-03-15T01:00',
    '2026-03-14T01:20',
    '2026-03-14T01:00',
    '2026-03-09T01:00',
    '2026-03-08T23:00',
    '2026-02-28T01:00',
  ])
  expect(kept(rule('1h'))).toEqual(['2026-03-15T01:00'])
  expect(kept(rule('9y'))).toHaveLength(HISTORY.length)
})
