import type { MaskKey } from './mask-key.ts'

const ROUNDS = 6

/**
 * Permutes a list of numbers, each below its radix, among all such lists: two lists never become the same one. A Feistel
 * network whose halves are the even and the odd places, added to modulo their radixes, so any mixture of radixes and any
 * length will do. One number alone is only rotated.
 */
export function permute(key: MaskKey, domain: string, values: readonly number[], radixes: readonly number[]): number[] {
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
  const start = [...String(value).padStart(digits, '0')].map(Number)
  return number(permuteWithin(key, `${domain} below ${size}`, start, radixes, list => number(list) < size))
}
