import { randomBytes } from 'node:crypto'
import { constants, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openZstd, publicZstd } from './zstd.ts'
import { plainFrameSize } from './zstd-frame.ts'

const zstd = openZstd()
const WAYS = [{ level: 3 }, { level: 1 }, { level: 1, hashLog: 13, minMatch: 6 }] as const
const contents = [0, 1, 255, 256, 257, 16384, 65536 + 256, 300_000, 8 << 20].flatMap(size => [
  randomBytes(size),
  Buffer.alloc(size, 'page '),
])

test('this Node lets the contexts be used again', () => {
  expect(zstd).not.toBe(publicZstd)
})

test.each(contents.map(content => [content.length, content]))('%d bytes survive, both ways around', (size, content) => {
  for (const how of WAYS) {
    const frame = Buffer.from(zstd.compress(content, how))
    expect(zstd.decompress(frame, size)?.equals(content)).toBe(true)
    expect(publicZstd.decompress(frame, size)?.equals(content)).toBe(true)
    expect(zstd.decompress(publicZstd.compress(content, how), size)?.equals(content)).toBe(true)
    expect(plainFrameSize(frame)).toBe(size)
  }
})

test('never more than the limit, whatever the frame says', () => {
  const bomb = Buffer.from(publicZstd.compress(Buffer.alloc(64 << 20), WAYS[0]))
  expect(zstd.decompress(bomb, 16384)).toBeUndefined()
  const unsized = zstdCompressSync(Buffer.alloc(1 << 20), {
    params: { [constants.ZSTD_c_contentSizeFlag]: 0, [constants.ZSTD_c_checksumFlag]: 1 },
  })
  expect(zstd.decompress(unsized, 16384)).toBeUndefined()
  expect(zstd.decompress(unsized, 1 << 20)?.length).toBe(1 << 20)
})

test('a damaged frame gives undefined or other bytes, and the next frame is read rightly', () => {
  const plaintext = Buffer.concat([randomBytes(400), Buffer.alloc(3000, 'abc')])
  const good = Buffer.from(zstd.compress(plaintext, WAYS[0]))
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), fc.nat(good.length), (at, change, cut) => {
      const bad = Buffer.from(good)
      bad[at] = (bad[at] ?? 0) ^ change
      zstd.decompress(bad, 5000)
      zstd.decompress(good.subarray(0, cut), 5000)
      expect(zstd.decompress(good, 5000)?.equals(plaintext)).toBe(true)
    }),
    { numRuns: 300 },
  )
})
