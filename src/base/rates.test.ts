import { expect, test } from 'vitest'
import { isWithin, parseHours } from './hours.ts'
import { parseRate } from './rates.ts'

test.each([
  ['5MB/s', 5_000_000],
  ['5 MiB/s', 5 * 1024 ** 2],
  ['500K', 512_000],
  ['1.5 MB / s', 1_500_000],
  ['2048 B/s', 2048],
  ['100Mbit/s', 12_500_000],
  ['100 Mbps', 12_500_000],
  ['16 kbit/s', 2000],
])('%s is a rate', (text, rate) => {
  expect(parseRate(text)).toBe(rate)
})

test.each(['500', '5', '0K', '-1M', '512B', '5 MB/min', 'fast', '', '1Mbit/h', 'K'])('"%s" is no rate', text => {
  expect(parseRate(text)).toBeUndefined()
})

test.each<[string, ...Array<[hour: number, minute: number, covered: boolean]>]>([
  ['22:00-06:00', [22, 59, true], [6, 0, false], [5, 59, true], [12, 0, false]],
  ['08:30-18:00', [8, 29, false], [8, 30, true], [17, 59, true], [18, 0, false]],
  ['18:00 - 24:00', [23, 59, true], [0, 0, false], [17, 59, false], [18, 0, true]],
])('%s covers what a person means by it', (text, ...moments) => {
  const hours = parseHours(text)
  for (const [hour, minute, covered] of moments) {
    expect(hours && isWithin(hours, new Date(2026, 10, 30, hour, minute))).toBe(covered)
  }
})

test.each(['22-06', '25:00-01:00', '10:60-11:00', '10:00-10:00', '00:00-24:00', '24:00-01:00', ''])(
  '"%s" are no hours',
  text => {
    expect(parseHours(text)).toBeUndefined()
  },
)
