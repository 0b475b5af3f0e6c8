import { createCipheriv, hash } from 'node:crypto'

const BLOCK_BYTES = 64
const DIGEST_BYTES = 32
const WORD_BYTES = 2
const ZERO_IV = Buffer.alloc(16)
const ROOM_BYTES = 4096

/**
 * The seed of a mask at work: HMAC-SHA-256, so that nobody without the seed can tell which value a mask came from. Built
 * from the two hashes that it is made of, over kept buffers: a third of the time that `createHmac` takes for short values.
 *
 * @see https://www.rfc-editor.org/rfc/rfc2104
 */
export class MaskKey {
  readonly #inner = Buffer.alloc(BLOCK_BYTES + ROOM_BYTES, 0x36)
  readonly #outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES, 0x5c)

  constructor(seed: string) {
    const bytes = Buffer.from(seed)
    const key = bytes.length > BLOCK_BYTES ? hash('sha256', bytes, 'buffer') : bytes
    for (const [at, byte] of key.entries()) {
      this.#inner[at] = byte ^ 0x36
      this.#outer[at] = byte ^ 0x5c
    }
  }

  /** 32 bytes for a value in a domain. */
  digest(domain: string, value: string | Uint8Array): Buffer {
    const inner = hash('sha256', this.#message(domain, value), 'buffer')
    inner.copy(this.#outer, BLOCK_BYTES)
    return hash('sha256', this.#outer, 'buffer')
  }

  /** As many 16-bit numbers as are asked for. */
  stream(domain: string, value: string, count: number): (at: number) => number {
    const digest = this.digest(domain, value)
    const bytes = count * WORD_BYTES <= DIGEST_BYTES ? digest : expand(digest, count * WORD_BYTES)
    return at => bytes.readUInt16LE(at * WORD_BYTES)
  }

  #message(domain: string, value: string | Uint8Array): Uint8Array {
    // At most three bytes of UTF-8 for a unit of UTF-16.
    if (typeof value === 'string' && (domain.length + value.length + 1) * 3 <= ROOM_BYTES) {
      const size = this.#inner.write(`${domain}\0${value}`, BLOCK_BYTES)
      return this.#inner.subarray(0, BLOCK_BYTES + size)
    }
    const bytes = typeof value === 'string' ? Buffer.from(value) : value
    return Buffer.concat([this.#inner.subarray(0, BLOCK_BYTES), Buffer.from(`${domain}\0`), bytes])
  }
}

/** A stream of any length from 32 bytes: AES-256 in counter mode over zeros. */
export function expand(digest: Buffer, sizeBytes: number): Buffer {
  return createCipheriv('aes-256-ctr', digest, ZERO_IV).update(Buffer.alloc(sizeBytes))
}
