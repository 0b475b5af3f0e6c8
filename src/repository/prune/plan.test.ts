import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type PackUse, planPrune } from './plan.ts'

const MIB = 1024 * 1024

function pack(id: string, use: Partial<PackUse>): PackUse {
  return {
    id,
    type: 'data',
    usedBlobs: 10,
    usedBytes: 16 * MIB,
    unusedBlobs: 0,
    unusedBytes: 0,
    duplicates: 0,
    uncompressed: false,
    shared: false,
    ...use,
  }
}

const ids = (packs: readonly PackUse[]): string[] => packs.map(one => one.id).sort()

const decide = (packs: readonly PackUse[], maxUnused = 0.05, version: 1 | 2 = 2): Record<string, string[]> => {
  const plan = planPrune(packs, { maxUnused, version })
  return { keep: ids(plan.keep), repack: ids(plan.repack), remove: ids(plan.remove) }
}

test('keeps what is wholly used, removes what is not, rewrites what wastes too much', () => {
  const packs = [
    pack('used', {}),
    pack('unused', { usedBlobs: 0, usedBytes: 100, unusedBlobs: 5, unusedBytes: 10 * MIB }),
    pack('half', { usedBytes: 8 * MIB, unusedBlobs: 5, unusedBytes: 8 * MIB }),
  ]
  expect(decide(packs)).toEqual({ keep: ['used'], repack: ['half'], remove: ['unused'] })
  expect(decide(packs, 1)).toEqual({ keep: ['half', 'used'], repack: [], remove: ['unused'] })
})

test('stops rewriting when what is left is tolerated; the most wasteful goes first', () => {
  const packs = [
    ...Array.from({ length: 20 }, (_, n) => pack(`used${n}`, {})),
    pack('little', { usedBytes: 15 * MIB, unusedBlobs: 1, unusedBytes: MIB }),
    pack('much', { usedBytes: MIB, unusedBlobs: 9, unusedBytes: 15 * MIB }),
  ]
  const plan = planPrune(packs, { maxUnused: 0.04, version: 2 })
  expect(ids(plan.repack)).toEqual(['much'])
  expect(plan.unusedBytesLeft).toBe(MIB)
  expect(ids(planPrune(packs, { maxUnused: 0, version: 2 }).repack)).toEqual(['little', 'much'])
})

test('trees are rewritten for any waste, mixed packs always, uncompressed trees where they can be compressed', () => {
  const packs = [
    pack('tree', { type: 'tree', unusedBlobs: 1, unusedBytes: 10 }),
    pack('mixed', { type: 'mixed' }),
    pack('plain', { type: 'tree', uncompressed: true }),
  ]
  expect(decide(packs, 1)).toEqual({ keep: [], repack: ['mixed', 'plain', 'tree'], remove: [] })
  expect(decide(packs, 1, 1).keep).toEqual(['plain'])
})

test('small packs are joined once there are ten', () => {
  const small = (count: number): PackUse[] =>
    Array.from({ length: count }, (_, n) => pack(`s${n}`, { usedBytes: 100_000 }))
  expect(decide(small(9)).repack).toEqual([])
  expect(decide(small(10)).repack).toHaveLength(10)
})

test('every pack has one fate; nothing needed is removed; what stays unused is within what is tolerated', () => {
  const one = fc.record({
    type: fc.constantFrom('data' as const, 'tree' as const, 'mixed' as const),
    usedBlobs: fc.nat(3),
    unusedBlobs: fc.nat(3),
    size: fc.integer({ min: 1, max: 32 * MIB }),
    uncompressed: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(one, { maxLength: 40 }), fc.double({ min: 0, max: 1, noNaN: true }), (shapes, maxUnused) => {
      const packs = shapes
        .filter(shape => shape.usedBlobs + shape.unusedBlobs > 0)
        .map((shape, n) =>
          pack(`${n}`, {
            ...shape,
            usedBytes: shape.usedBlobs * shape.size,
            unusedBytes: shape.unusedBlobs * shape.size,
          }),
        )
      const plan = planPrune(packs, { maxUnused, version: 2 })
      expect([...plan.keep, ...plan.repack, ...plan.remove].map(one => one.id).sort()).toEqual(ids(packs))
      expect(plan.remove.every(one => one.usedBlobs === 0)).toBe(true)
      const left = plan.keep.reduce((total, kept) => total + kept.unusedBytes, 0)
      const used = packs.filter(one => one.usedBlobs > 0).reduce((total, kept) => total + kept.usedBytes, 0)
      expect(left).toBe(plan.unusedBytesLeft)
      if (maxUnused < 1) expect(left).toBeLessThanOrEqual(maxUnused * (used + left) + 1)
    }),
  )
})
