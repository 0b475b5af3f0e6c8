import { createHash, hash } from 'node:crypto'

/** Enough that no two of a table's rows have the same by chance, nor by anybody's design: SHA-256, cut. */
const DIGEST_CHARS = 16
/** Up to it, one call over a copy is faster than a stream. */
const COPIED_BYTES = 64 * 1024

/** Of the parts as if they were one, as text of one byte a character. */
export function digestOf(parts: readonly Uint8Array[]): string {
  let bytes = 0
  for (const part of parts) bytes += part.length
  if (bytes <= COPIED_BYTES) {
    const whole = parts.length === 1 ? parts[0] : Buffer.concat(parts, bytes)
    return hash('sha256', whole ?? Buffer.alloc(0), 'binary').slice(0, DIGEST_CHARS)
  }
  const hashing = createHash('sha256')
  for (const part of parts) hashing.update(part)
  return hashing.digest('binary').slice(0, DIGEST_CHARS)
}
