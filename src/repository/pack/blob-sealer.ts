import type { BlobType } from '../contract/blob.ts'
import type { Cipher } from '../crypto/cipher.ts'
import type { Zstd } from '../crypto/zstd.ts'
import { COMPRESSED_ENTRY_BYTES, PLAIN_ENTRY_BYTES, SEAL_BYTES } from '../format/pack-header.ts'
import { compressionFor } from './compression.ts'

export interface SealingTools {
  readonly version: 1 | 2
  readonly cipher: Cipher
  readonly zstd: Zstd
}

/** Blobs as they lie in a pack: what workers make and the pack writer puts together. */
export interface SealedBlobs {
  /** One behind the other. In the memory that was given for them, if that was large enough. */
  readonly bytes: Uint8Array
  /** Their entries in a pack's header, in the same order. */
  readonly entries: Uint8Array
  readonly count: number
}

/** Compresses and seals blobs of one type, one behind the other. */
export class BlobSealer {
  readonly #type: BlobType
  readonly #tools: SealingTools
  #body: Buffer
  #length = 0
  #entries: Buffer = Buffer.allocUnsafeSlow(4 * 1024)
  #entriesLength = 0
  #count = 0

  /** @param into where the blobs are put; as much as all of them take, or more memory is made on the way */
  constructor(type: BlobType, tools: SealingTools, into: Uint8Array) {
    this.#type = type
    this.#tools = tools
    this.#body = Buffer.from(into.buffer, into.byteOffset, into.byteLength)
  }

  add(plaintext: Uint8Array, id: Uint8Array): void {
    const compressed = this.#compress(plaintext)
    this.append(compressed ?? plaintext, id, compressed && plaintext.length)
  }

  /** As `add`, of what is stored just so. `plainBytes`: what it holds, where it is compressed. */
  append(stored: Uint8Array, id: Uint8Array, plainBytes: number | undefined): void {
    const sealedBytes = stored.length + SEAL_BYTES
    this.#reserve(sealedBytes)
    this.#length = this.#tools.cipher.sealInto(stored, this.#body, this.#length)
    this.#addEntry(id, sealedBytes, plainBytes)
  }

  /** As `append`, of what this repository has sealed already. */
  copy(sealed: Uint8Array, id: Uint8Array, plainBytes: number | undefined): void {
    this.#reserve(sealed.length)
    this.#body.set(sealed, this.#length)
    this.#length += sealed.length
    this.#addEntry(id, sealed.length, plainBytes)
  }

  finish(): SealedBlobs {
    const entries = Uint8Array.from(this.#entries.subarray(0, this.#entriesLength))
    return { bytes: this.#body.subarray(0, this.#length), entries, count: this.#count }
  }

  // Version 1 has no compression. What does not get smaller is stored as it is.
  #compress(plaintext: Uint8Array): Buffer | undefined {
    if (this.#tools.version === 1 || plaintext.length === 0) return undefined
    const compressed = this.#tools.zstd.compress(plaintext, compressionFor(this.#type, plaintext.length))
    return compressed.length < plaintext.length ? compressed : undefined
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes
    if (needed > this.#body.length) this.#body = grow(this.#body, this.#length, Math.max(needed, this.#length * 2))
  }

  #addEntry(id: Uint8Array, sealedBytes: number, plainBytes: number | undefined): void {
    const bytes = plainBytes === undefined ? PLAIN_ENTRY_BYTES : COMPRESSED_ENTRY_BYTES
    if (this.#entriesLength + bytes > this.#entries.length) {
      this.#entries = grow(this.#entries, this.#entriesLength, this.#entries.length * 2)
    }
    const isTree = this.#type === 'tree' ? 1 : 0
    let at = this.#entries.writeUInt8(isTree | (plainBytes === undefined ? 0 : 2), this.#entriesLength)
    at = this.#entries.writeUInt32LE(sealedBytes, at)
    if (plainBytes !== undefined) at = this.#entries.writeUInt32LE(plainBytes, at)
    this.#entries.set(id, at)
    this.#entriesLength = at + id.length
    this.#count++
  }
}

function grow(bytes: Buffer, used: number, size: number): Buffer {
  const grown = Buffer.allocUnsafeSlow(size)
  bytes.copy(grown, 0, 0, used)
  return grown
}
