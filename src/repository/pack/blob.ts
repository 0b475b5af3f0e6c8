import { hash } from 'node:crypto'
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
export function openBlob(
  sealed: Uint8Array,
  blob: Pick<PackedBlob, 'id' | 'type' | 'uncompressedLength'>,
  cipher: Cipher,
  zstd: Zstd,
  into?: Buffer,
): Buffer {
  const subject = `${blob.type} blob ${shortId(blob.id)}`
  const stored = cipher.open(sealed)
  if (stored === undefined) throw invalid(subject, 'its seal is broken')
  const plaintext =
    blob.uncompressedLength === undefined ? stored : zstd.decompress(stored, blob.uncompressedLength, into)
  if (plaintext !== stored) freeMemory(stored)
  if (plaintext === undefined) throw invalid(subject, 'it cannot be decompressed')
  if (blobId(plaintext) !== blob.id) throw invalid(subject, 'its content has another id')
  return plaintext
}

/** SHA-256 in hex. */
export function blobId(bytes: Uint8Array): Id {
  return hash('sha256', bytes, 'hex')
}
