import { createCipheriv, createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { GearChunker, MAX_CHUNK_BYTES, MIN_CHUNK_BYTES } from './gear-chunker.ts'

const keysOf = (byte: number) => ({
  encrypt: Buffer.alloc(32, byte),
  macK: Buffer.alloc(16, byte),
  macR: Buffer.alloc(16, byte),
})
const chunker = new GearChunker(keysOf(1))

/** The same bytes for the same seed. */
function randomLooking(bytes: number, seed: string): Buffer {
  const key = createHash('sha256').update(seed).digest()
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes))
}

function cutsOf(bytes: Buffer, by = chunker): number[] {
  const cuts: number[] = []
  for (let at = 0; at < bytes.length; ) {
    at = by.nextCut(bytes, at, bytes.length, true) ?? -1
    cuts.push(at)
  }
  return cuts
}

const bytes = randomLooking(24 << 20, 'a')
const cuts = cutsOf(bytes)

test('chunks are within the limits and near 1 MiB', () => {
  const sizes = cuts.map((cut, i) => cut - (cuts[i - 1] ?? 0))
  expect(cuts.at(-1)).toBe(bytes.length)
  for (const size of sizes.slice(0, -1)) expect(size).toBeGreaterThan(MIN_CHUNK_BYTES)
  for (const size of sizes) expect(size).toBeLessThanOrEqual(MAX_CHUNK_BYTES)
  expect(bytes.length / sizes.length).toBeGreaterThan(700_000)
  expect(bytes.length / sizes.length).toBeLessThan(1_600_000)
})

test('where the cuts are depends on the content, not on how it is read', () => {
  const ends: number[] = []
  let start = 0
  for (let end = 1_000_003; start < bytes.length; end += 1_000_003) {
    const known = Math.min(end, bytes.length)
    for (;;) {
      const cut = chunker.nextCut(bytes, start, known, known === bytes.length)
      if (cut === undefined || start === bytes.length) break
      ends.push(cut)
      start = cut
      if (start === known) break
    }
  }
  expect(ends).toEqual(cuts)
})

test('after an insertion the cuts meet again', () => {
  const moved = cutsOf(Buffer.concat([Buffer.from('inserted'), bytes])).map(cut => cut - 8)
  expect(moved.filter(cut => cuts.includes(cut)).length).toBeGreaterThan(cuts.length * 0.7)
})

test('another repository cuts elsewhere, so lengths tell nothing', () => {
  const others = cutsOf(bytes, new GearChunker(keysOf(2)))
  expect(others.slice(0, -1).filter(cut => cuts.includes(cut))).toEqual([])
})

test('content that never cuts by itself is cut at the limit', () => {
  const zeros = Buffer.alloc(9 << 20)
  expect(cutsOf(zeros)).toEqual([MAX_CHUNK_BYTES, 2 * MAX_CHUNK_BYTES, 9 << 20])
})
