import { expect, test } from 'vitest'
import {
  findCronProblem,
  findCronWarning,
  jitterOf,
  newestSlot,
  nextSlot,
  type Schedule,
  scheduleHash,
  startInWindow,
  wallTime,
} from './schedule.ts'

const daily = (timezone: string, more: Partial<Schedule> = {}): Schedule => ({ cron: '30 2 * * *', timezone, ...more })

/** All slots in a span, as the clock on the wall shows them. */
function wallTimes(schedule: Schedule, from: string, to: string): string[] {
  const found: string[] = []
  for (let at = nextSlot(schedule, new Date(from)); at && at <= new Date(to); at = nextSlot(schedule, at)) {
    found.push(wallTime(schedule.timezone, at))
  }
  return found
}

test('a daily time that a clock skips runs at the first moment after the gap', () => {
  expect(wallTimes(daily('Europe/Berlin'), '2026-03-28T12:00Z', '2026-03-30T12:00Z')).toEqual([
    '2026-03-29T03:00',
    '2026-03-30T02:30',
  ])
})

test('a daily time that comes twice runs once, the first time', () => {
  const [only, ...others] = wallTimes(daily('Europe/Berlin'), '2026-10-24T12:00Z', '2026-10-25T12:00Z')
  expect([only, others]).toEqual(['2026-10-25T02:30', []])
  expect(nextSlot(daily('Europe/Berlin'), new Date('2026-10-24T12:00Z'))).toEqual(new Date('2026-10-25T00:30Z'))
})

test('what comes every half hour runs through both', () => {
  const often = { cron: '*/30 * * * *', timezone: 'Europe/Berlin' }
  expect(wallTimes(often, '2026-03-28T23:59Z', '2026-03-29T02:00Z')).toHaveLength(5)
  expect(wallTimes(often, '2026-10-24T23:59Z', '2026-10-25T02:00Z')).toHaveLength(5)
})

/** One zone for each way in which clocks change in a year. */
const ZONES_OF_CHANGE = [
  ...new Map(
    Intl.supportedValuesOf('timeZone').map(zone => {
      const format = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' })
      const days = Array.from({ length: 52 }, (_, week) => Date.UTC(2026, 0, 1 + week * 7))
      const offsets = days.map(day => format.formatToParts(day).find(part => part.type === 'timeZoneName')?.value)
      return [new Set(offsets).size === 1 ? 'none' : offsets.join(), zone] as const
    }),
  ),
].filter(([changes]) => changes !== 'none')

test('in each zone that changes its clock, each day of a year has one run, and looking back agrees with looking ahead', () => {
  expect(ZONES_OF_CHANGE.length).toBeGreaterThan(15)
  for (const [, zone] of ZONES_OF_CHANGE) {
    for (const cron of ['30 2 * * *', '0 0 * * *']) {
      const schedule = { cron, timezone: zone }
      const days = wallTimes(schedule, '2026-01-01T12:00Z', '2027-01-01T12:00Z').map(wall => wall.slice(0, 10))
      expect([zone, cron, days.length, new Set(days).size]).toEqual([zone, cron, 365, 365])
    }
  }
  for (const zone of ['Europe/Berlin', 'Africa/Cairo', 'America/Santiago', 'Australia/Lord_Howe', 'America/New_York']) {
    let before = new Date('2026-01-01T12:00Z')
    for (let at = nextSlot(daily(zone), before); at && at.getUTCFullYear() < 2027; at = nextSlot(daily(zone), at)) {
      expect(newestSlot(daily(zone), new Date(0), at)).toEqual(at)
      const instantBefore = new Date(at.getTime() - 1)
      expect(newestSlot(daily(zone), before, instantBefore)).toBeUndefined()
      before = at
    }
  }
})

test('leap days and the last day of a month come', () => {
  expect(nextSlot({ cron: '0 2 29 2 *', timezone: 'UTC' }, new Date('2026-01-01'))).toEqual(
    new Date('2028-02-29T02:00Z'),
  )
  const lastDays = wallTimes({ cron: '0 2 L * *', timezone: 'UTC' }, '2028-01-01', '2028-05-01')
  expect(lastDays.map(wall => wall.slice(5, 10))).toEqual(['01-31', '02-29', '03-31', '04-30'])
})

test('excepted dates are those of the zone', () => {
  const except = daily('Asia/Tokyo', { except: ['2026-05-02', '2026-05-03'] })
  expect(wallTimes(except, '2026-04-30T12:00Z', '2026-05-04T12:00Z')).toEqual(['2026-05-01T02:30', '2026-05-04T02:30'])
  expect(newestSlot(except, new Date(0), new Date('2026-05-03T12:00Z'))).toEqual(new Date('2026-04-30T17:30Z'))
})

test('a start waits for its window, also for one over midnight', () => {
  const window = { from: 23 * 60, to: 5 * 60 }
  const start = (time: string): string =>
    startInWindow(daily('UTC', { window }), new Date(time)).toISOString().slice(11, 16)
  expect(['02:00', '23:00', '04:59', '05:00', '12:00'].map(time => start(`2026-05-01T${time}Z`))).toEqual([
    '02:00',
    '23:00',
    '04:59',
    '23:00',
    '23:00',
  ])
  expect(startInWindow(daily('UTC'), new Date(5))).toEqual(new Date(5))
})

test('the jitter of a key is always the same and below its bound', () => {
  const schedule = daily('UTC', { jitterMs: 300_000 })
  const of = (key: string): number => jitterOf(schedule, key)
  expect(of('a')).toBe(of('a'))
  const all = Array.from({ length: 200 }, (_, key) => of(String(key)))
  expect(Math.max(...all)).toBeLessThan(300_000)
  expect(new Set(all).size).toBeGreaterThan(190)
  expect(jitterOf(daily('UTC'), 'a')).toBe(0)
})

test('another schedule has another hash', () => {
  const hashes = [
    daily('UTC'),
    daily('Asia/Tokyo'),
    daily('UTC', { jitterMs: 1 }),
    daily('UTC', { except: ['2026-01-01'] }),
  ]
  expect(new Set(hashes.map(scheduleHash)).size).toBe(4)
  expect(scheduleHash(daily('UTC', { jitterMs: 0 }))).toBe(scheduleHash(daily('UTC')))
})

test.each([
  '0 2 * * *',
  '@daily',
  '@yearly',
  '*/15 * * * * *',
  '0 2 L * *',
  '0 2 * * MON-FRI',
  '0 2 * * 7',
  '0 2 * * fri#1',
])('takes %j', expression => {
  expect(findCronProblem(expression)).toBeUndefined()
})

test.each([
  ['', 'a cron expression like'],
  ['0 2 * *', 'a cron expression like'],
  ['daily', 'a cron expression like'],
  ['2027-01-01T00:00:00', 'a cron expression like'],
  ['60 2 * * *', '60 is no minute'],
  ['0 24 * * *', '24 is no hour'],
  ['*/0 * * * *', 'a cron expression like'],
  ['0 2 31 2 *', 'no month of these has that many'],
])('says what %j should be', (expression, problem) => {
  expect(findCronProblem(expression)).toContain(problem)
})

test('warns of a day that some months do not have', () => {
  expect(findCronWarning('0 2 31 * *')).toContain('"0 2 L * *"')
  expect(findCronWarning('0 2 28 * *')).toBeUndefined()
  expect(findCronWarning('0 2 31 1 *')).toBeUndefined()
})
