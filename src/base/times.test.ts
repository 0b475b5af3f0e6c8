import { expect, test } from 'vitest'
import { formatEpochMicros, formatTime, parseEpochMicros, parseTime } from './times.ts'

const now = new Date(2026, 8, 4, 15, 30, 0)

test.each([
  ['2026-09-04 02:00', new Date(2026, 8, 4, 2, 0)],
  ['2026-09-04T02:00:07', new Date(2026, 8, 4, 2, 0, 7)],
  ['2026-09-04', new Date(2026, 8, 4)],
  ['2026-09-04T02:00:00.250Z', new Date(Date.UTC(2026, 8, 4, 2, 0, 0, 250))],
  ['2026-09-04T02:00:00+08:00', new Date(Date.UTC(2026, 8, 3, 18, 0))],
  ['2026-09-04 02:00 -0530', new Date(Date.UTC(2026, 8, 4, 7, 30))],
  ['02:00', new Date(2026, 8, 4, 2, 0)],
  ['3h ago', new Date(2026, 8, 4, 12, 30)],
  ['2 days ago', new Date(now.getTime() - 2 * 86_400_000)],
  ['now', now],
  ['Yesterday', new Date(2026, 8, 3)],
])('reads %s', (text, expected) => expect(parseTime(text, now)).toEqual(expected))

test.each(['latest', '3f2a', '2026-02-31', '2026-09-04 24:00', '25:00', 'ago', 'x ago', '2026-13-01', '20260904'])(
  'refuses %s',
  text => expect(parseTime(text, now)).toBeUndefined(),
)

test('writes the local time', () => expect(formatTime(now)).toBe('2026-09-04 15:30:00'))

test.each([
  ['2026-09-04T02:00:00.123456Z', '2026-09-04T02:00:00.123456Z'],
  ['2026-09-04T02:00:00.1234569Z', '2026-09-04T02:00:00.123456Z'],
  ['2026-09-04 02:00:00.999999+08:00', '2026-09-03T18:00:00.999999Z'],
  ['2026-09-04 02:00:00.5 -0530', '2026-09-04T07:30:00.500000Z'],
  // As PostgreSQL writes them.
  ['2026-09-04 02:00:00.123456+00', '2026-09-04T02:00:00.123456Z'],
  ['2026-09-04 02:00:00.1+05:30', '2026-09-03T20:30:00.100000Z'],
  ['2026-09-04 02:00:00 UTC', '2026-09-04T02:00:00.000000Z'],
  ['2026-09-04-05', undefined],
  ['1969-12-31T23:59:59.000001Z', '1969-12-31T23:59:59.000001Z'],
])('keeps the microseconds of %s', (text, expected) => {
  const micros = parseEpochMicros(text, now)
  expect(micros === undefined ? undefined : formatEpochMicros(micros)).toBe(expected)
})

test('keeps the microseconds of a local time', () =>
  expect(parseEpochMicros('2026-09-04 02:00:07.000042', now)).toBe(new Date(2026, 8, 4, 2, 0, 7).getTime() * 1000 + 42))
