import { expect, test } from 'vitest'
import { exponentOf } from './counts.ts'

const COUNTS = [1, 100, 200, 400]

test.each([
  ['linear', [300, 800, 1300, 2300], 1],
  ['quadratic', [300, 800, 2300, 8300], 2],
  ['not at all', [300, 800, 800, 800], 0],
])('tells the exponent of growth: %s', (_name, wallMs, exponent) => {
  expect(exponentOf(COUNTS, wallMs)).toBeCloseTo(exponent)
})

test('does not tell what noise may be', () => {
  expect(exponentOf(COUNTS, [300, 310, 305, 320])).toBeUndefined()
  expect(exponentOf(COUNTS, [300, 290, 400, 700])).toBeLessThan(3)
})
