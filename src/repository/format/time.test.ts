import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatTime, parseDate, parseTime } from './time.ts'

test('reads what restic writes', () => {
  expect(parseTime('2014-12-06T17:50:23.34513538+01:00', 'x')).toBe(1417884623345135380n)
  expect(parseTime('1969-12-31T23:59:59.5Z', 'x')).toBe(-500_000_000n)
})

test('writes as Go does: UTC, no trailing zeros', () => {
  expect(formatTime(1417884623345135380n)).toBe('2014-12-06T16:50:23.34513538Z')
  expect(formatTime(0n)).toBe('1970-01-01T00:00:00Z')
  expect(formatTime(-1n)).toBe('1969-12-31T23:59:59.999999999Z')
})

test.each(['', '2014-12-06', '2014-12-06T17:50:23', '2014-13-06T17:50:23Z', 'x', null, 5])('refuses %s', text => {
  expect(() => parseTime(text, 'tree 1')).toThrow('tree 1 is damaged: a time is not RFC 3339')
  expect(() => parseDate(text, 'tree 1')).toThrow('tree 1 is damaged: a time is not RFC 3339')
})

test('every time from year 0 to 9999 survives', () => {
  const ns = fc.bigInt({ min: -62_167_219_200_000_000_000n, max: 253_402_300_799_999_999_999n })
  fc.assert(fc.property(ns, time => parseTime(formatTime(time), 'x') === time))
})

test('a date is the same time without what is below a millisecond', () => {
  expect(parseDate('2014-12-06T17:50:23.34593538+01:00', 'x').getTime()).toBe(1417884623345)
  const ns = fc.bigInt({ min: 0n, max: 253_402_300_799_999_999_999n })
  fc.assert(fc.property(ns, time => parseDate(formatTime(time), 'x').getTime() === Number(time / 1_000_000n)))
})
