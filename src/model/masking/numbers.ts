import { expand, type MaskKey } from './mask-key.ts'
import { permute, permuteWithin } from './permute.ts'

/** Where a type of whole numbers ends: a number that fits one type must become one that fits it too. */
const TYPE_ENDS = [32_767n, 2_147_483_647n, 9_223_372_036_854_775_807n]

/**
 * Another whole number of the same sign and as many digits. Whatever integer type held the old one holds the new one, and
 * two numbers never become the same one.
 */
export function maskInteger(key: MaskKey, domain: string, value: bigint): bigint {
  if (value === 0n) return 0n
  const text = String(value < 0n ? -value : value)
  const low = 10n ** BigInt(text.length - 1)
  const absolute = BigInt(text)
  const bands = [low, ...TYPE_ENDS.map(end => end + 1n).filter(end => end > low)]
  const from = bands.findLast(start => start <= absolute) ?? low
  const to = bands.find(start => start > absolute) ?? 10n ** BigInt(text.length)
  const fits = (digits: readonly number[]): boolean => {
    const number = BigInt(digits.join(''))
    return number >= from && number < to && number < low * 10n
  }
  const radixes = Array.from(text, () => 10)
  const masked = BigInt(permuteWithin(key, `${domain} integer`, Array.from(text, Number), radixes, fits).join(''))
  return value < 0n ? -masked : masked
}

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?(e.*)?$/i

/** Another number with as many digits before and after the point. A first or last digit stays 0, or other than 0. */
export function maskDecimal(key: MaskKey, domain: string, value: string): string {
  const [whole, sign = '', integer = '', fraction = '', exponent = ''] = DECIMAL.exec(value) ?? []
  // NaN and infinity say nothing of anybody.
  if (whole === undefined) return value
  if (fraction === '' && exponent === '') return String(maskInteger(key, domain, BigInt(value)))
  const digits = Array.from(integer + fraction, Number)
  const held = (at: number): boolean => at === 0 || at === digits.length - 1
  const base = digits.map((digit, at) => (held(at) && digit !== 0 ? 1 : 0))
  const radixes = digits.map((digit, at) => (held(at) ? (digit === 0 ? 1 : 9) : 10))
  const start = digits.map((digit, at) => digit - (base[at] ?? 0))
  const masked = permute(key, `${domain} decimal ${integer.length}`, start, radixes).map((d, at) => d + (base[at] ?? 0))
  const text = masked.join('')
  const point = fraction === '' ? '' : `.${text.slice(integer.length)}`
  return `${sign}${text.slice(0, integer.length)}${point}${exponent}`
}

/** As many other bytes. Two values never become the same one. */
export function maskBytes(key: MaskKey, domain: string, value: Uint8Array): Uint8Array {
  let left: Uint8Array = Buffer.from(value.subarray(0, value.length >> 1))
  let right: Uint8Array = Buffer.from(value.subarray(value.length >> 1))
  for (let round = 0; round < 4; round++) {
    const name = `${domain} bytes ${value.length} ${round}`
    if (round % 2 === 0) left = xor(left, expand(key.digest(name, right), left.length))
    else right = xor(right, expand(key.digest(name, left), right.length))
  }
  return Buffer.concat([left, right])
}

function xor(bytes: Uint8Array, stream: Buffer): Uint8Array {
  return Uint8Array.from(bytes, (byte, i) => byte ^ (stream[i] ?? 0))
}
