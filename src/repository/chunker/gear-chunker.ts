import { hkdfSync } from 'node:crypto'
import type { KeyMaterial } from '../format/key-file.ts'

export const MIN_CHUNK_BYTES = 256 * 1024
export const MAX_CHUNK_BYTES = 4 * 1024 * 1024
/** Where the easier mask takes over; with both masks chunks come out near 1 MiB. */
const NORMAL_BYTES = 1024 * 1024
// Before the normal size a cut needs 22 zero bits, after it 18: sizes gather around the normal one.
const STRICT_MASK = -1 << (32 - 22)
const EASY_MASK = -1 << (32 - 18)

/**
 * Cuts where the content says, so that an insertion moves cuts only near itself: FastCDC with normalised chunking over a
 * 32-bit gear hash. The table of random words is made from the repository's keys, so that the lengths of chunks tell
 * nothing about content to who does not have them.
 *
 * @see https://www.usenix.org/conference/atc16/technical-sessions/presentation/xia
 */
export class GearChunker {
  readonly #gear: Int32Array

  constructor(keys: KeyMaterial) {
    const secret = Buffer.concat([keys.encrypt, keys.macK, keys.macR])
    const bytes = Buffer.from(hkdfSync('sha256', secret, '', 'lifeboat gear table 1', 1024))
    this.#gear = Int32Array.from({ length: 256 }, (_, i) => bytes.readInt32LE(i * 4))
  }

  /**
   * End of the first chunk in `[start, end)`, or undefined when more bytes are needed to tell. `final`: the content ends
   * at `end`, so there always is an answer.
   */
  nextCut(bytes: Uint8Array, start: number, end: number, final: boolean): number | undefined {
    const limit = Math.min(end, start + MAX_CHUNK_BYTES)
    const normal = Math.min(limit, start + NORMAL_BYTES)
    const from = start + MIN_CHUNK_BYTES
    const early = scan(bytes, from, normal, this.#gear, STRICT_MASK)
    if (early !== -1) return early
    const late = scan(bytes, Math.max(from, normal), limit, this.#gear, EASY_MASK)
    if (late !== -1) return late
    return limit === start + MAX_CHUNK_BYTES || final ? limit : undefined
  }
}

/** The first position after which the hash has all of the mask's bits zero, or -1. */
function scan(bytes: Uint8Array, from: number, end: number, gear: Int32Array, mask: number): number {
  let hash = 0
  let at = from
  // Four at a time is twice as fast here.
  for (; at + 3 < end; at += 4) {
    hash = ((hash << 1) + (gear[bytes[at] as number] as number)) | 0
    if ((hash & mask) === 0) return at + 1
    hash = ((hash << 1) + (gear[bytes[at + 1] as number] as number)) | 0
    if ((hash & mask) === 0) return at + 2
    hash = ((hash << 1) + (gear[bytes[at + 2] as number] as number)) | 0
    if ((hash & mask) === 0) return at + 3
    hash = ((hash << 1) + (gear[bytes[at + 3] as number] as number)) | 0
    if ((hash & mask) === 0) return at + 4
  }
  for (; at < end; at++) {
    hash = ((hash << 1) + (gear[bytes[at] as number] as number)) | 0
    if ((hash & mask) === 0) return at + 1
  }
  return -1
}
