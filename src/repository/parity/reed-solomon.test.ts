import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inverse, invert, multiply } from './galois.ts'
import { coefficient, encode, recover } from './reed-solomon.ts'

/** By the definition: polynomials over two elements, modulo x^8 + x^4 + x^3 + x^2 + 1. */
function multiplySlowly(a: number, b: number): number {
  let product = 0
  for (let bit = 0; bit < 8; bit++) if ((b >> bit) & 1) product ^= a << bit
  for (let bit = 14; bit >= 8; bit--) if ((product >> bit) & 1) product ^= 0x11d << (bit - 8)
  return product
}

const power = (base: number, exponent: number): number =>
  Array.from({ length: exponent }).reduce<number>(product => multiply(product, base), 1)

describe('the field', () => {
  test('multiplies as the definition says, all 65 536 products', () => {
    for (let a = 0; a < 256; a++) {
      const row = Array.from({ length: 256 }, (_, b) => multiply(a, b))
      expect(row).toEqual(Array.from({ length: 256 }, (_, b) => multiplySlowly(a, b)))
    }
  })

  // From the tests of Backblaze's JavaReedSolomon (GaloisTest.java), which klauspost/reedsolomon and others have taken over.
  test.each([
    [3, 4, 12],
    [7, 7, 21],
    [23, 45, 41],
  ])('%i times %i is %i, as in other implementations', (a, b, product) => {
    expect(multiply(a, b)).toBe(product)
  })

  test('25 times each of a row of bytes is what the tests of klauspost/reedsolomon say', () => {
    const bytes = [0, 1, 2, 3, 4, 5, 6, 10, 50, 100]
    const products = [0x00, 0x19, 0x32, 0x2b, 0x64, 0x7d, 0x56, 0xfa, 0xb8, 0x6d]
    expect(bytes.map(byte => multiply(25, byte))).toEqual(products)
  })

  test.each([
    [2, 2, 4],
    [5, 20, 235],
    [13, 7, 43],
  ])('%i to the power of %i is %i, as in other implementations', (base, exponent, value) => {
    expect(power(base, exponent)).toBe(value)
  })

  test('every element but 0 has an inverse', () => {
    for (let a = 1; a < 256; a++) expect(multiply(a, inverse(a))).toBe(1)
    expect(() => inverse(0)).toThrow(RangeError)
  })

  test('a matrix times its inverse is one, and one without an inverse is refused', () => {
    // From Backblaze's MatrixTest.java.
    const matrix = [
      [56, 23, 98],
      [3, 100, 200],
      [45, 201, 123],
    ].map(row => Uint8Array.from(row))
    expect(invert(matrix).map(row => [...row])).toEqual([
      [175, 133, 33],
      [130, 13, 245],
      [112, 35, 126],
    ])
    expect(() => invert([Uint8Array.of(4, 2), Uint8Array.of(12, 6)])).toThrow(RangeError)
  })
})

const shardsOf = (bytes: Uint8Array, shardBytes: number): Uint8Array[] =>
  Array.from({ length: Math.ceil(bytes.length / shardBytes) }, (_, at) =>
    bytes.subarray(at * shardBytes, (at + 1) * shardBytes),
  )

function* combinations(of: number, many: number, from = 0): Generator<number[]> {
  if (many === 0) yield []
  else
    for (let at = from; at <= of - many; at++)
      for (const rest of combinations(of, many - 1, at + 1)) yield [at, ...rest]
}

describe('the code', () => {
  test('counts as Cauchy says, and every row and column of it differs', () => {
    // 1 / (4 + 0), 1 / (4 + 1), ... with 4 data shards, by products alone.
    for (let column = 0; column < 4; column++) {
      expect(multiplySlowly(coefficient(4, 0, column), 4 ^ column)).toBe(1)
      expect(multiplySlowly(coefficient(4, 2, column), 6 ^ column)).toBe(1)
    }
  })

  test('a parity byte is the sum of the data bytes by their coefficients', () => {
    const data = randomBytes(5 * 3)
    const parity = encode(data, 5, 6, 3)
    for (let row = 0; row < 6; row++) {
      for (let at = 0; at < 3; at++) {
        const terms = Array.from({ length: 5 }, (_, shard) =>
          multiplySlowly(coefficient(5, row, shard), data[shard * 3 + at] ?? 0),
        )
        expect(parity[row * 3 + at]).toBe(terms.reduce((sum, term) => sum ^ term, 0))
      }
    }
  })

  test.each([
    [1, 2],
    [3, 3],
    [4, 2],
    [5, 5],
    [8, 3],
  ])('any %i of the shards give back all, with %i parity shards: every combination of lost ones', (k, m) => {
    const shardBytes = 7
    const data = randomBytes(k * shardBytes)
    const all = [...shardsOf(data, shardBytes), ...shardsOf(encode(data, k, m, shardBytes), shardBytes)]
    for (let lost = 1; lost <= m; lost++) {
      for (const gone of combinations(k + m, lost)) {
        const found = recover(
          all.map((shard, at) => (gone.includes(at) ? undefined : shard)),
          k,
        )
        const data = gone.filter(at => at < k)
        expect([...(found?.keys() ?? [])]).toEqual(data)
        for (const at of data) expect(Buffer.compare(found?.get(at) ?? Buffer.of(), all[at] ?? Buffer.of())).toBe(0)
      }
    }
  })

  test('one more than there are parity shards cannot be given back', () => {
    const all = [...shardsOf(randomBytes(40), 10), ...shardsOf(randomBytes(20), 10)]
    expect(recover([undefined, undefined, undefined, ...all.slice(3)], 4)).toBeUndefined()
  })

  test('the largest code there is gives back what is lost, whichever shards', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(254), { maxLength: 55 }), gone => {
        const data = randomBytes(200 * 3 - 2)
        const padded = Buffer.concat([data, Buffer.alloc(2)])
        const all = [...shardsOf(padded, 3), ...shardsOf(encode(data, 200, 55, 3), 3)]
        const found = recover(
          all.map((shard, at) => (gone.includes(at) ? undefined : shard)),
          200,
        )
        for (const at of gone)
          if (at < 200) expect(Buffer.compare(found?.get(at) ?? Buffer.of(), all[at] ?? Buffer.of())).toBe(0)
      }),
      { numRuns: 5 },
    )
  })
})
