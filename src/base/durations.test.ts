import { expect, test } from 'vitest'
import { formatDuration, parseDuration } from './durations.ts'

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
