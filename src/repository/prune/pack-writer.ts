import { createHash } from 'node:crypto'
import { Semaphore } from '../../base/concurrency.ts'
import type { RepositoryContext } from '../files/repository-files.ts'
import { fileKey } from '../format/file-keys.ts'
import type { IndexedPack } from '../format/index-file.ts'
import { formatPackHeader, HEADER_LENGTH_BYTES, type PackedBlob } from '../format/pack-header.ts'
import type { BlobType } from '../repository.ts'

const PACK_BYTES = 16 * 1024 * 1024
/** Packs in memory at once, while they are uploaded. */
const UPLOADS = 2

interface OpenPack {
  readonly parts: Uint8Array[]
  readonly blobs: PackedBlob[]
  bytes: number
}

/** Puts sealed blobs together to new packs, trees and data apart, as the format wants. */
export class PackWriter {
  readonly #context: Pick<RepositoryContext, 'storage' | 'cipher'>
  readonly #signal: AbortSignal
  readonly #open = new Map<BlobType, OpenPack>()
  readonly #uploads = new Semaphore(UPLOADS)
  readonly #running = new Set<Promise<void>>()
  readonly #saved: IndexedPack[] = []
  #savedBytes = 0
  #failure: { readonly error: unknown } | undefined

  constructor(context: Pick<RepositoryContext, 'storage' | 'cipher'>, signal: AbortSignal) {
    this.#context = context
    this.#signal = signal
  }

  /** Packs that are stored. */
  get saved(): readonly IndexedPack[] {
    return this.#saved
  }

  get savedBytes(): number {
    return this.#savedBytes
  }

  /** The bytes are kept until their pack is stored. Waits while enough packs are being stored. */
  async add(blob: Omit<PackedBlob, 'offset'>, sealed: Uint8Array): Promise<void> {
    const pack = this.#open.get(blob.type) ?? { parts: [], blobs: [], bytes: 0 }
    this.#open.set(blob.type, pack)
    pack.blobs.push({ ...blob, offset: pack.bytes })
    pack.parts.push(sealed)
    pack.bytes += sealed.length
    if (pack.bytes >= PACK_BYTES) await this.#startSaving(blob.type, pack)
  }

  /** Stores what is left. All packs are durable when this resolves. */
  async finish(): Promise<void> {
    for (const [type, pack] of this.#open) await this.#startSaving(type, pack)
    await Promise.all(this.#running)
    if (this.#failure) throw this.#failure.error
  }

  /** Waits for what is under way; its outcome does not matter any more. */
  async abandon(): Promise<void> {
    await Promise.all(this.#running)
  }

  async #startSaving(type: BlobType, pack: OpenPack): Promise<void> {
    this.#open.delete(type)
    await this.#uploads.acquire()
    const saving = this.#save(pack)
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => {
        this.#uploads.release()
        this.#running.delete(saving)
      })
    this.#running.add(saving)
    if (this.#failure) throw this.#failure.error
  }

  async #save(pack: OpenPack): Promise<void> {
    const header = this.#context.cipher.seal(formatPackHeader(pack.blobs))
    const headerLength = Buffer.alloc(HEADER_LENGTH_BYTES)
    headerLength.writeUInt32LE(header.length)
    const parts = [...pack.parts, header, headerLength]
    const hash = createHash('sha256')
    for (const part of parts) hash.update(part)
    const id = hash.digest('hex')
    await this.#context.storage.save(fileKey('pack', id), parts, { signal: this.#signal })
    this.#saved.push({ id, blobs: pack.blobs })
    this.#savedBytes += pack.bytes + header.length + HEADER_LENGTH_BYTES
  }
}
