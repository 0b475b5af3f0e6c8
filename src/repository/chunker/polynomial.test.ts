import { expect, test } from 'vitest'
import { systemRandom } from '../../base/random.ts'
import { isIrreducible, randomPolynomial } from './polynomial.ts'

test("knows restic's polynomials as irreducible, and products as not", () => {
  for (const known of ['25b468838dcb75', '3da3358b4dc173'])
    expect(isIrreducible(BigInt(`0x${known}`)), known).toBe(true)
  expect(isIrreducible((1n << 53n) | 1n)).toBe(false)
  expect(isIrreducible(0x25b468838dcb77n)).toBe(false)
  expect(isIrreducible(7n)).toBe(false)
})

test('a random one is irreducible and of degree 53', () => {
  const polynomial = BigInt(`0x${randomPolynomial(systemRandom)}`)
  expect(polynomial >> 53n).toBe(1n)
  expect(isIrreducible(polynomial)).toBe(true)
})
