const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const
const SIZE = /^(\d+(?:\.\d+)?)\s*(?:([kmgtp])(i?b)?|b|bytes?)?$/i
const POWER: Readonly<Record<string, number>> = { k: 1, m: 2, g: 3, t: 4, p: 5 }

/**
 * Bytes of a size as people write it: `512`, `64K`, `1.5 GiB` (powers of 1024), `2GB` (powers of 1000).
 * Undefined when it is not a size.
 */
export function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text.trim())
  if (!match) return undefined
  const power = POWER[(match[2] ?? '').toLowerCase()] ?? 0
  const unit = (match[3] ?? '').toLowerCase() === 'b' ? 1000 : 1024
  const bytes = Math.round(Number(match[1]) * unit ** power)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** `0 B`, `1023 B`, `1.5 KiB`, `12.3 MiB`, `346 MiB`. */
export function formatSize(bytes: number): string {
  let value = Math.abs(bytes)
  let unit = 0
  while (value >= 1023.5 && unit < BINARY.length - 1) {
    value /= 1024
    unit++
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1
  return `${bytes < 0 ? '-' : ''}${value.toFixed(digits)} ${BINARY[unit]}`
}

/** A part of a whole, 0 to 1, of `10%`, `2.5%` or `1/7`. Undefined when it is neither, or outside of (0, 1]. */
export function parsePart(text: string): number | undefined {
  const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim())
  const fraction = /^(\d+)\s*\/\s*(\d+)$/.exec(text.trim())
  const part = percent ? Number(percent[1]) / 100 : fraction ? Number(fraction[1]) / Number(fraction[2]) : undefined
  return part !== undefined && part > 0 && part <= 1 ? part : undefined
}

/** What EFBIG means: no lack of space. */
export const FILE_TOO_LARGE = 'a file would become larger than its file system or the limit of this user allows'
export const FILE_SIZE_HINT =
  'Say "ulimit -f unlimited" first, or use a file system that takes files of this size; then run the same command again.'
