import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Packed, planOrderedRanges, planRanges } from './ranges.ts'

const LIMITS = { gapBytes: 10, maxBytes: 100 }

const part = (packId: string, offset: number, length: number): Packed => ({ packId, offset, length })

const shape = (ranges: readonly Packed[]): string[] =>
  ranges.map(({ packId, offset, length }) => `${packId} ${offset}+${length}`)

test('joins what is near, in any order, and parts what is far, long or in another pack', () => {
  const parts = [part('a', 30, 10), part('b', 0, 5), part('a', 0, 20), part('a', 200, 5), part('a', 41, 60)]
  expect(shape(planRanges(parts, LIMITS))).toEqual(['a 0+40', 'a 41+60', 'a 200+5', 'b 0+5'])
})

test('a stream keeps its order, also where it goes back', () => {
  const parts = [part('a', 30, 10), part('a', 40, 10), part('a', 0, 20), part('b', 20, 5), part('b', 20, 5)]
  const ranges = planOrderedRanges(parts, LIMITS)
  expect(shape(ranges)).toEqual(['a 30+20', 'a 0+20', 'b 20+5'])
  expect(ranges.flatMap(range => range.parts)).toEqual(parts)
})

test('a part longer than the limit is a range of its own', () => {
  expect(shape(planRanges([part('a', 0, 500), part('a', 500, 1)], LIMITS))).toEqual(['a 0+500', 'a 500+1'])
})

test('a range ends where what is in it would be too much when it is opened', () => {
  const repeated = { ...part('a', 0, 5), uncompressedLength: 40 }
  const parts = [repeated, repeated, repeated, part('a', 5, 25), { ...part('a', 30, 5), uncompressedLength: 500 }]
  const ranges = planOrderedRanges(parts, { ...LIMITS, maxPlainBytes: 80 })
  expect(ranges.map(range => range.parts.length)).toEqual([2, 2, 1])
  expect(ranges.flatMap(range => range.parts)).toEqual(parts)
})

test('every part lies in exactly one range, whole, and no range exceeds the limit needlessly', () => {
  const parts = fc.array(
    fc.record({ packId: fc.constantFrom('a', 'b'), offset: fc.nat(1000), length: fc.integer({ min: 1, max: 150 }) }),
  )
  fc.assert(
    fc.property(parts, list => {
      for (const ranges of [planRanges(list, LIMITS), planOrderedRanges(list, LIMITS)]) {
        expect(ranges.flatMap(range => range.parts)).toHaveLength(list.length)
        for (const range of ranges) {
          const longest = Math.max(...range.parts.map(one => one.length))
          expect(range.length).toBeLessThanOrEqual(Math.max(LIMITS.maxBytes, longest))
          for (const one of range.parts) {
            expect(one.packId).toBe(range.packId)
            expect(one.offset).toBeGreaterThanOrEqual(range.offset)
            expect(one.offset + one.length).toBeLessThanOrEqual(range.offset + range.length)
          }
        }
      }
    }),
  )
})
