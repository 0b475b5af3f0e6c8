import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makeParity, readParity, shapeOf } from './parity-file.ts'

const parityOf = (file: Uint8Array, part: number): Buffer => Buffer.concat(makeParity(file, part))
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const SIZES = [0, 1, 63, 64, 65, 500, 4096, 32 * 1024, 32 * 1024 + 1, 100_000, 700_001]

test.each(SIZES)('of %i bytes: names what it is of, and is not damaged', bytes => {
  const file = randomBytes(bytes)
  const parity = readParity(parityOf(file, 0.05))
  expect(parity).toMatchObject({ sha256: sha256(file), damaged: 0, fileBytes: bytes })
  expect(parity?.heal(file)?.equals(file)).toBe(true)
})

test.each([0, 1, 64, 500, 5000, 32 * 1024])('a file of %i bytes that is gone comes back whole', bytes => {
  const file = randomBytes(bytes)
  expect(readParity(parityOf(file, 0.05))?.heal(Buffer.alloc(0))?.equals(file)).toBe(true)
})

test('of metadata all may be gone, whatever its size, and of its parity a part besides', () => {
  const file = randomBytes(300_000)
  const parity = parityOf(file, 1)
  expect(readParity(parity)?.heal(Buffer.alloc(0))?.equals(file)).toBe(true)
  parity.fill(0, 20_000, 40_000)
  expect(readParity(parity)?.heal(file.subarray(0, 100_000))?.equals(file)).toBe(true)
})

test.each([
  ['5 %', 0.05],
  ['10 %', 0.1],
  ['25 %', 0.25],
])('with %s a burst of nearly so much is healed wherever it is, also a cut tail and a missing range', (_name, part) => {
  const file = randomBytes(400_000)
  const parity = readParity(parityOf(file, part))
  const burst = Math.floor(file.length * part * 0.97) - 4096
  fc.assert(
    fc.property(fc.nat(file.length - burst), start => {
      const bad = Buffer.from(file)
      randomBytes(burst).copy(bad, start)
      expect(parity?.heal(bad)?.equals(file)).toBe(true)
    }),
    { numRuns: 8 },
  )
  expect(parity?.heal(file.subarray(0, file.length - burst))?.equals(file)).toBe(true)
})

test('flipped bits all over the file are healed', () => {
  const file = randomBytes(2_000_000)
  const parity = readParity(parityOf(file, 0.05))
  const bad = Buffer.from(file)
  for (let flips = 0; flips < 12; flips++) {
    const at = Math.floor((flips + 0.5) * (file.length / 12))
    bad[at] = (bad[at] ?? 0) ^ (1 << (flips % 8))
  }
  expect(parity?.heal(bad)?.equals(file)).toBe(true)
})

test('it is the file or nothing: whatever happens to both, never other bytes', () => {
  const hurt = fc.array(fc.record({ start: fc.nat(60_000), bytes: fc.integer({ min: 1, max: 9000 }) }), {
    maxLength: 6,
  })
  const file = randomBytes(50_000)
  const good = parityOf(file, 0.1)
  let healed = 0
  fc.assert(
    fc.property(hurt, hurt, fc.nat(60_000), (ofFile, ofParity, cut) => {
      const [bad, parity] = [Buffer.from(file), Buffer.from(good)]
      for (const { start, bytes } of ofFile) randomBytes(bytes).copy(bad, Math.min(start, bad.length))
      for (const { start, bytes } of ofParity) randomBytes(bytes).copy(parity, Math.min(start, parity.length))
      const found = readParity(parity)?.heal(cut < 30_000 ? bad : bad.subarray(0, cut))
      if (found === undefined) return
      healed++
      expect(found.equals(file)).toBe(true)
    }),
    { numRuns: 150 },
  )
  expect(healed).toBeGreaterThan(0)
})

test('its own beginning, end, or a table may be gone', () => {
  const file = randomBytes(100_000)
  const good = parityOf(file, 0.1)
  const bad = Buffer.concat([file.subarray(0, 96_000), randomBytes(4000)])
  for (const parity of [
    good.subarray(1000),
    good.subarray(0, good.length - 1000),
    Buffer.concat([randomBytes(500), good.subarray(500)]),
    Buffer.concat([good.subarray(0, good.length - 500), randomBytes(500)]),
  ]) {
    const read = readParity(parity)
    expect(read?.damaged).toBeGreaterThan(0)
    expect(read?.heal(bad)?.equals(file)).toBe(true)
  }
})

test('what is no parity file, or is forged, is not read as one', () => {
  const good = parityOf(randomBytes(1000), 0.05)
  expect(readParity(Buffer.alloc(0))).toBeUndefined()
  expect(readParity(randomBytes(5000))).toBeUndefined()
  const forged = Buffer.from(good)
  for (const header of [forged.subarray(0, 96), forged.subarray(forged.length - 96)]) {
    header.writeBigUInt64LE(2n ** 40n, 24)
    createHash('sha256').update(header.subarray(0, 64)).digest().copy(header, 64)
  }
  expect(readParity(forged)).toBeUndefined()
})

test('takes about what was asked for, and of what is small about as much again', () => {
  const bytes = 4 * 1024 * 1024
  const whole = makeParity(randomBytes(bytes), 0.05).reduce((sum, part) => sum + part.length, 0)
  expect(whole / bytes).toBeGreaterThan(0.05)
  expect(whole / bytes).toBeLessThan(0.056)
  expect(shapeOf(128 * 1024 * 1024, 0.5)).toMatchObject({ dataShards: 160, parityShards: 80 })
  expect(shapeOf(600, 0.05)).toMatchObject({ dataShards: 10, parityShards: 10 })
})
