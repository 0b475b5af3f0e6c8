import type { Random } from '../../base/random.ts'

/** restic's chunker wants an irreducible polynomial of this degree over GF(2). */
const DEGREE = 53

/** As hex, bit n standing for x^n. About one in 27 candidates fits. */
export function randomPolynomial(random: Random): string {
  for (;;) {
    const bits = random.bytes(8).readBigUInt64LE() & ((1n << BigInt(DEGREE)) - 1n)
    // x must not divide it, so the lowest bit is set.
    const candidate = bits | (1n << BigInt(DEGREE)) | 1n
    if (isIrreducible(candidate)) return candidate.toString(16)
  }
}

/**
 * Rabin's test for a degree n that is prime: irreducible when x^(2^n) = x modulo the polynomial and it has no factor in
 * common with x^2 - x, that is when neither 0 nor 1 is a root.
 *
 * @see https://en.wikipedia.org/wiki/Factorization_of_polynomials_over_finite_fields#Rabin's_test_of_irreducibility
 */
export function isIrreducible(polynomial: bigint): boolean {
  if (polynomial >> BigInt(DEGREE) !== 1n) return false
  if ((polynomial & 1n) === 0n || countBits(polynomial) % 2 === 0) return false
  let power = 2n
  for (let i = 0; i < DEGREE; i++) power = remainder(square(power), polynomial)
  return power === 2n
}

// Over GF(2) squaring only moves the bits apart.
function square(value: bigint): bigint {
  return BigInt(`0b${value.toString(2).replaceAll(/[01]/g, '0$&')}`)
}

function remainder(value: bigint, divisor: bigint): bigint {
  let rest = value
  for (let shift = bitLength(rest) - bitLength(divisor); shift >= 0; shift = bitLength(rest) - bitLength(divisor)) {
    rest ^= divisor << BigInt(shift)
  }
  return rest
}

function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length
}

function countBits(value: bigint): number {
  return value.toString(2).replaceAll('0', '').length
}
