import { parseSize } from './sizes.ts'

const BITS: Readonly<Record<string, number>> = { k: 1e3, m: 1e6, g: 1e9 }

/** Slower than this, a server takes us for gone. */
export const SLOWEST_RATE = 1024

/**
 * Bytes a second of `5MB/s`, `500K`, `1.5 MiB/s` or `100 Mbit/s`. Always with a unit: other tools mean KiB by a bare number.
 * Undefined for anything else.
 */
export function parseRate(text: string): number | undefined {
  const plain = text.trim().replace(/\s*\/\s*s(ec)?$/i, '')
  const bits = /^(\d+(?:\.\d+)?)\s*([kmg])bit$/i.exec(plain) ?? /^(\d+(?:\.\d+)?)\s*([kmg])bps$/i.exec(text.trim())
  if (bits) return atLeastSlowest((Number(bits[1]) * (BITS[(bits[2] ?? '').toLowerCase()] ?? 0)) / 8)
  return /[a-z]$/i.test(plain) ? atLeastSlowest(parseSize(plain)) : undefined
}

function atLeastSlowest(rate: number | undefined): number | undefined {
  return rate !== undefined && rate >= SLOWEST_RATE ? rate : undefined
}
