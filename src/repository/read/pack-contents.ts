import { isAppError } from '../../base/errors.ts'
import type { Cipher } from '../crypto/cipher.ts'
import { invalid } from '../format/json.ts'
import { HEADER_LENGTH_BYTES, type PackedBlob, parseHeaderLength, parsePackHeader } from '../format/pack-header.ts'

/** What a pack says it holds, or why it cannot say. */
export type PackContents = { readonly blobs: readonly PackedBlob[] } | { readonly reason: string }

/**
 * Reads a pack's header from its last bytes, which must hold all of it.
 *
 * @param packBytes size of the whole pack
 */
export function readPackContents(tail: Uint8Array, packBytes: number, subject: string, cipher: Cipher): PackContents {
  try {
    const length = parseHeaderLength(tail, packBytes, subject)
    const end = tail.length - HEADER_LENGTH_BYTES
    if (length > end) throw invalid(subject, 'its header is longer than its blobs leave room for')
    const header = cipher.open(tail.subarray(end - length, end))
    if (header === undefined) throw invalid(subject, 'the seal of its header is broken')
    return { blobs: parsePackHeader(header, packBytes, subject) }
  } catch (error) {
    if (isAppError(error, 'damaged')) return { reason: error.message }
    throw error
  }
}
