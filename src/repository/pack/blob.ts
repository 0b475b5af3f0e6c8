import { createHash, hash } from 'node:crypto'
import { freeMemory } from '../../base/free-memory.ts'
import type { Id } from '../../model/node.ts'
import type { Cipher } from '../crypto/cipher.ts'
import type { Zstd } from '../crypto/zstd.ts'
import { shortId } from '../format/file-keys.ts'
import { invalid } from '../format/json.ts'
import type { PackedBlob } from '../format/pack-header.ts'

/**
 * Plaintext of a blob from its sealed bytes, checked against its id; anything else is `damaged`. The result may share
 * memory with the codec: it is valid until its next call. What is decompressed is in `into`, if that is given and large
 * enough.
 */
export function openBlob(sealed: Uint8Array, blob: Sealed, cipher: Cipher, zstd: Zstd, into?: Buffer): Buffer {
  const subject = subjectOf(blob)
  const stored = cipher.open(sealed)
  if (stored === undefined) throw invalid(subject, 'its seal is broken')
  const plaintext =
    blob.uncompressedLength === undefined ? stored : zstd.decompress(stored, blob.uncompressedLength, into)
  if (plaintext !== stored) freeMemory(stored)
  if (plaintext === undefined) throw invalid(subject, 'it cannot be decompressed')
  if (blobId(plaintext) !== blob.id) throw invalid(subject, 'its content has another id')
  return plaintext
}

/** Of a blob with more plaintext than this, some is decompressed at a time where all of it need not be there at once. */
export const LARGE_BYTES = 4 * 1024 * 1024

const PART_BYTES = 256 * 1024

type Sealed = Pick<PackedBlob, 'id' | 'type' | 'uncompressedLength'>

/**
 * As `openBlob`, of a blob that may be larger than memory should hold: its plaintext in parts, any number of times. Each
 * part is valid until the next is asked for. All of it was checked against the id before.
 */
export function openLargeBlob(sealed: Uint8Array, blob: Sealed, cipher: Cipher, zstd: Zstd): Iterable<Buffer> {
  const parts = openUnchecked(sealed, blob, cipher, zstd)
  checkParts(parts, blob)
  return parts
}

/** What is sealed, compressed or not, in memory of its own; its plaintext is checked against the id. */
export function openStored(sealed: Uint8Array, blob: Sealed, cipher: Cipher, zstd: Zstd): Buffer {
  const stored = cipher.open(sealed)
  if (stored === undefined) throw invalid(subjectOf(blob), 'its seal is broken')
  const { uncompressedLength } = blob
  if ((uncompressedLength ?? 0) > LARGE_BYTES) checkParts(partsOf(stored, blob, zstd), blob)
  else {
    const plaintext = uncompressedLength === undefined ? stored : zstd.decompress(stored, uncompressedLength)
    if (plaintext === undefined) throw invalid(subjectOf(blob), 'it cannot be decompressed')
    if (blobId(plaintext) !== blob.id) throw invalid(subjectOf(blob), 'its content has another id')
  }
  return stored
}

/** Bytes of a blob's plaintext, of which nothing is needed; `damaged` as with `openBlob`. */
export function checkBlob(sealed: Uint8Array, blob: Sealed, cipher: Cipher, zstd: Zstd): number {
  if ((blob.uncompressedLength ?? 0) <= LARGE_BYTES) return openBlob(sealed, blob, cipher, zstd).length
  return checkParts(openUnchecked(sealed, blob, cipher, zstd), blob)
}

function checkParts(parts: Iterable<Buffer>, blob: Sealed): number {
  const sha256 = createHash('sha256')
  let bytes = 0
  for (const part of parts) {
    sha256.update(part)
    bytes += part.length
  }
  if (sha256.digest('hex') !== blob.id) throw invalid(subjectOf(blob), 'its content has another id')
  return bytes
}

function openUnchecked(sealed: Uint8Array, blob: Sealed, cipher: Cipher, zstd: Zstd): Iterable<Buffer> {
  const stored = cipher.open(sealed)
  if (stored === undefined) throw invalid(subjectOf(blob), 'its seal is broken')
  return partsOf(stored, blob, zstd)
}

function partsOf(stored: Buffer, blob: Sealed, zstd: Zstd): Iterable<Buffer> {
  const { uncompressedLength } = blob
  return {
    *[Symbol.iterator]() {
      if (uncompressedLength === undefined) {
        yield* cut(stored)
        return
      }
      for (const part of zstd.decompressParts(stored, uncompressedLength)) {
        if (part === undefined) throw invalid(subjectOf(blob), 'it cannot be decompressed')
        yield part
      }
    },
  }
}

function* cut(plaintext: Buffer): Generator<Buffer> {
  for (let at = 0; at < plaintext.length; at += PART_BYTES) yield plaintext.subarray(at, at + PART_BYTES)
}

function subjectOf({ type, id }: Sealed): string {
  return `${type} blob ${shortId(id)}`
}

/** SHA-256 in hex. */
export function blobId(bytes: Uint8Array): Id {
  return hash('sha256', bytes, 'hex')
}
