import { assert, integer, nat, option, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chooseCut } from './cut.ts'

const GIB = 1024 ** 3

describe('chooseCut', () => {
  it('grows with the file, in few steps', () => {
    const sizes = [0, 4 * GIB, 4 * GIB + 1, 16 * GIB, 64 * GIB, 65 * GIB, 1024 * GIB]
    expect(sizes.map(size => chooseCut(size, 4096).blockBytes)).toEqual([
      16_384, 16_384, 65_536, 65_536, 262_144, 1_048_576, 1_048_576,
    ])
  })

  it('is never smaller than a page', () => {
    expect(chooseCut(1000, 65_536).blockBytes).toBe(65_536)
    expect(chooseCut(1000, 32_768).blockBytes).toBe(32_768)
  })

  it('keeps the parent’s blocks while they are at most one step off', () => {
    expect(chooseCut(5 * GIB, 4096, 16_384).blockBytes).toBe(16_384)
    expect(chooseCut(GIB, 4096, 65_536).blockBytes).toBe(65_536)
    expect(chooseCut(20 * GIB, 4096, 16_384).blockBytes).toBe(262_144)
    expect(chooseCut(GIB, 4096, 12_345).blockBytes).toBe(16_384)
    expect(chooseCut(GIB, 65_536, 16_384).blockBytes).toBe(65_536)
  })

  it('is always a legal size that holds whole pages', () => {
    const pages = integer({ min: 9, max: 16 }).map(bits => 2 ** bits)
    assert(
      property(nat(2 ** 31), pages, option(nat(2 ** 21), { nil: undefined }), (kib, page, parent) => {
        const { blockBytes } = chooseCut(kib * 1024, page, parent)
        expect([Math.log2(blockBytes) % 1, blockBytes % page]).toEqual([0, 0])
        expect(blockBytes).toBeLessThanOrEqual(8 << 20)
      }),
    )
  })
})
