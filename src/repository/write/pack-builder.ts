import { createHash } from 'node:crypto'
import { threadId } from 'node:worker_threads'
import type { Id } from '../../model/node.ts'
import type { Cipher } from '../crypto/cipher.ts'
import type { Zstd } from '../crypto/zstd.ts'
import { COMPRESSED_ENTRY_BYTES, HEADER_LENGTH_BYTES, PLAIN_ENTRY_BYTES, SEAL_BYTES } from '../format/pack-header.ts'
import type { BlobType } from '../repository.ts'
import { compressionFor } from './compression.ts'

/**
 * Packs are ended when the next blob would make them longer than this. restic's are four times as long by default; several
 * are in memory at once, and the shortest that restic makes keep a backup well below its limit.
 */
export const PACK_BYTES = 4 * 1024 * 1024
const BLOBS_A_PACK = 100_000

export interface PackingTools {
  readonly version: 1 | 2
  readonly cipher: Cipher
  readonly zstd: Zstd
}

/** A pack ready to be saved: `parts` one after the other are the file, `id` is its SHA-256. */
export interface FinishedPack {
  readonly id: Id
  readonly type: BlobType
  readonly parts: readonly [body: Uint8Array, header: Uint8Array]
  /** The header's plaintext, for the index. */
  readonly entries: Uint8Array
  readonly blobs: number
  readonly sizeBytes: number
  /** The thread that made it, and can use its memory again. */
  readonly thread: number
}

/** Lays sealed blobs one after the other. */
export class PackBuilder {
  readonly #type: BlobType
  readonly #tools: PackingTools
  readonly #takeSpare: () => Uint8Array | undefined
  #body: Buffer | undefined
  #length = 0
  #entries: Buffer = Buffer.allocUnsafeSlow(64 * 1024)
  #entriesLength = 0
  #blobs = 0

  constructor(type: BlobType, tools: PackingTools, takeSpare: () => Uint8Array | undefined) {
    this.#type = type
    this.#tools = tools
    this.#takeSpare = takeSpare
  }

  /** Returns the pack before it, when the blob no longer fits in. */
  add(plaintext: Uint8Array, id: Uint8Array): FinishedPack | undefined {
    const compressed = this.#compress(plaintext)
    return this.append(compressed ?? plaintext, id, compressed && plaintext.length)
  }

  /** As `add`, of what is stored just so. `plainBytes`: what it holds, where it is compressed. */
  append(stored: Uint8Array, id: Uint8Array, plainBytes: number | undefined): FinishedPack | undefined {
    const sealedBytes = stored.length + SEAL_BYTES
    const isFull = this.#length + sealedBytes > PACK_BYTES || this.#blobs >= BLOBS_A_PACK
    const finished = isFull ? this.finish() : undefined
    const body = this.#room(sealedBytes)
    this.#length = this.#tools.cipher.sealInto(stored, body, this.#length)
    this.#addEntry(id, sealedBytes, plainBytes)
    return finished
  }

  /** Undefined when nothing was added since the last one. */
  finish(): FinishedPack | undefined {
    if (this.#blobs === 0 || this.#body === undefined) return undefined
    const body = this.#body.subarray(0, this.#length)
    const entries = Uint8Array.from(this.#entries.subarray(0, this.#entriesLength))
    const header = this.#sealHeader(entries)
    const id = createHash('sha256').update(body).update(header).digest('hex')
    const sizeBytes = body.length + header.length
    const blobs = this.#blobs
    const finished = {
      id,
      type: this.#type,
      parts: [body, header],
      entries,
      blobs,
      sizeBytes,
      thread: threadId,
    } as const
    this.#body = undefined
    this.#length = 0
    this.#entriesLength = 0
    this.#blobs = 0
    return finished
  }

  // Version 1 has no compression. What does not get smaller is stored as it is.
  #compress(plaintext: Uint8Array): Buffer | undefined {
    if (this.#tools.version === 1 || plaintext.length === 0) return undefined
    const compressed = this.#tools.zstd.compress(plaintext, compressionFor(this.#type, plaintext.length))
    return compressed.length < plaintext.length ? compressed : undefined
  }

  #room(bytes: number): Buffer {
    const needed = this.#length + bytes
    const body = this.#body ?? asBuffer(this.#takeSpare()) ?? Buffer.allocUnsafeSlow(Math.max(bytes, 256 * 1024))
    this.#body = body.length >= needed ? body : grow(body, this.#length, Math.max(needed, nextSize(body.length)))
    return this.#body
  }

  #addEntry(id: Uint8Array, sealedBytes: number, plaintextBytes: number | undefined): void {
    const bytes = plaintextBytes === undefined ? PLAIN_ENTRY_BYTES : COMPRESSED_ENTRY_BYTES
    if (this.#entriesLength + bytes > this.#entries.length) {
      this.#entries = grow(this.#entries, this.#entriesLength, this.#entries.length * 2)
    }
    const isTree = this.#type === 'tree' ? 1 : 0
    let at = this.#entries.writeUInt8(isTree | (plaintextBytes === undefined ? 0 : 2), this.#entriesLength)
    at = this.#entries.writeUInt32LE(sealedBytes, at)
    if (plaintextBytes !== undefined) at = this.#entries.writeUInt32LE(plaintextBytes, at)
    this.#entries.set(id, at)
    this.#entriesLength = at + id.length
    this.#blobs++
  }

  #sealHeader(entries: Uint8Array): Buffer {
    const header = Buffer.allocUnsafeSlow(entries.length + SEAL_BYTES + HEADER_LENGTH_BYTES)
    const end = this.#tools.cipher.sealInto(entries, header, 0)
    header.writeUInt32LE(end, end)
    return header
  }
}

// Small backups stay small: the memory grows in steps up to a whole pack.
function nextSize(size: number): number {
  return Math.min(size * 4, PACK_BYTES)
}

function grow(bytes: Buffer, used: number, size: number): Buffer {
  const grown = Buffer.allocUnsafeSlow(size)
  bytes.copy(grown, 0, 0, used)
  return grown
}

function asBuffer(bytes: Uint8Array | undefined): Buffer | undefined {
  return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
