import { invalid } from './json.ts'

const NS = 1_000_000_000n
const PATTERN = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/

/** Go's zero time, which stands for "not known". */
export const ZERO_TIME = '0001-01-01T00:00:00Z'

/** RFC 3339 with up to nine fractional digits and a zone, to nanoseconds since the epoch. */
export function parseTime(text: unknown, subject: string): bigint {
  const match = typeof text === 'string' ? PATTERN.exec(text) : null
  const ms = match === null ? Number.NaN : Date.parse(`${secondsPart(match)}${match[8] ?? ''}`)
  if (match === null || Number.isNaN(ms)) throw invalid(subject, 'a time is not RFC 3339')
  const fraction = match[7]
  return BigInt(ms) * 1_000_000n + (fraction === undefined ? 0n : BigInt(fraction.padEnd(9, '0')))
}

// Date.parse has no leap second; Go does not accept one either.
function secondsPart(match: RegExpExecArray): string {
  return `${match[1]}-${match[2]}-${match[3]}T${match[4]}:${match[5]}:${match[6]}`
}

/** As Go prints it: UTC, no trailing zeros in the fraction. Years outside 0 to 9999 are clamped, as restic does. */
export function formatTime(ns: bigint): string {
  let seconds = ns / NS
  let fraction = ns % NS
  if (fraction < 0n) {
    fraction += NS
    seconds -= 1n
  }
  const ms = Math.min(Math.max(Number(seconds) * 1000, -62_167_219_200_000), 253_402_300_799_000)
  const base = new Date(ms).toISOString().slice(0, 19)
  return fraction === 0n ? `${base}Z` : `${base}.${String(fraction).padStart(9, '0').replace(/0+$/, '')}Z`
}

/** As `parseTime`, to the milliseconds that a `Date` holds; the rest is cut off. */
export function parseDate(text: unknown, subject: string): Date {
  const ms = typeof text === 'string' && PATTERN.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms)) throw invalid(subject, 'a time is not RFC 3339')
  return new Date(ms)
}

export function formatDate(date: Date): string {
  return formatTime(BigInt(date.getTime()) * 1_000_000n)
}
