import { expect, test } from 'vitest'
import { formatAgo, formatDuration, parseDuration } from './durations.ts'

const HOUR = 3_600_000

test.each([
  ['25h', 25 * HOUR],
  ['30m', HOUR / 2],
  ['1d12h', 36 * HOUR],
  ['1.5h', 1.5 * HOUR],
  ['2 weeks', 336 * HOUR],
  ['1 hour 30 min', 1.5 * HOUR],
  ['250ms', 250],
])('reads %s', (text, ms) => expect(parseDuration(text)).toBe(ms))

test.each(['', '5', 'h', '1 month', '-1h', '1h30'])('refuses %j', text => expect(parseDuration(text)).toBeUndefined())

test.each([
  [40, '0.0 s'],
  [430, '0.4 s'],
  [9_999, '10 s'],
  [59_700, '1 min'],
  [200_000, '3 min 20 s'],
  [2 * HOUR + 5 * 60_000, '2 h 5 min'],
  [99 * HOUR, '4 d 3 h'],
])('writes %d as %s', (ms, text) => expect(formatDuration(ms)).toBe(text))

test.each([
  [-HOUR, 'just now'],
  [59_000, 'just now'],
  [90_000, '1 minute ago'],
  [3.9 * HOUR, '3 hours ago'],
  [13 * 24 * HOUR, '13 days ago'],
  [14 * 24 * HOUR, '2 weeks ago'],
  [400 * 24 * HOUR, '13 months ago'],
])('tells %d from now as %s', (ms, text) => expect(formatAgo(new Date(1e12 - ms), new Date(1e12))).toBe(text))
