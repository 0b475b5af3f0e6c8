import type { MaskKey } from './mask-key.ts'

const ROUNDS = 6
/** Half of it takes one hash a round. */
const HEAD = 32

/**
 * Permutes a list of numbers, each below its radix (at most 65536), among all such lists: two lists never become the same
 * one. Any mixture of radixes and any length will do; one number alone is only rotated.
 *
 * What is longer than a head is shifted by a stream that the masked head gives, and the head is permuted by what follows
 * it: each depends on all, and both can be told from the result.
 */
export function permute(key: MaskKey, domain: string, values: readonly number[], radixes: readonly number[]): number[] {
  if (values.length <= HEAD) return permuteShort(key, domain, values, radixes)
  const rest = values.slice(HEAD)
  const tweak = key.digest(`${domain} ${radixes.join(',')}`, rest.join(',')).toString('base64')
  const head = permuteShort(key, `${domain} ${tweak}`, values.slice(0, HEAD), radixes)
  const shift = key.stream(`${domain} rest`, head.join(','), rest.length)
  return [...head, ...rest.map((value, at) => (value + shift(at)) % (radixes[HEAD + at] ?? 1))]
}

/** A Feistel network whose halves are the even and the odd places, added to modulo their radixes. */
function permuteShort(key: MaskKey, domain: string, values: readonly number[], radixes: readonly number[]): number[] {
  const out = [...values]
  const shape = radixes.join(',')
  for (let round = 0; round < ROUNDS; round++) {
    const side = round % 2
    const others = out.filter((_, at) => at % 2 !== side).join(',')
    const shift = key.stream(`${domain} ${round} ${shape}`, others, (out.length + 1 - side) >> 1)
    for (let at = side, i = 0; at < out.length; at += 2, i++) {
      out[at] = ((out[at] ?? 0) + shift(i)) % (radixes[at] ?? 1)
    }
  }
  return out
}

/** As `permute`, among those lists alone that `fits`: walks on until one does. The list given must fit itself. */
export function permuteWithin(
  key: MaskKey,
  domain: string,
  values: readonly number[],
  radixes: readonly number[],
  fits: (values: readonly number[]) => boolean,
): number[] {
  let out = permute(key, domain, values, radixes)
  while (!fits(out)) out = permute(key, domain, out, radixes)
  return out
}

/** A whole number from 0 to below `size`, permuted among these. */
export function permuteBelow(key: MaskKey, domain: string, value: number, size: number): number {
  const digits = String(size - 1).length
  const radixes = Array.from({ length: digits }, () => 10)
  const number = (list: readonly number[]): number => Number(list.join(''))
  const start = Array.from(String(value).padStart(digits, '0'), Number)
  return number(permuteWithin(key, `${domain} below ${size}`, start, radixes, list => number(list) < size))
}
