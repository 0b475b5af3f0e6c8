import { forEachLimit } from '../../base/concurrency.ts'
import { type AppError, isAppError } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import type { Storage } from '../../storage/storage.ts'
import type { FileType } from '../contract/blob.ts'
import type { Cipher } from '../crypto/cipher.ts'
import type { Zstd } from '../crypto/zstd.ts'
import { FOLDERS, fileKey, idOfKey, shortId } from '../format/file-keys.ts'
import { invalid } from '../format/json.ts'
import { decodeUnpacked, encodeUnpacked } from '../format/unpacked.ts'
import { blobId } from '../pack/blob.ts'

export type SealedType = Extract<FileType, 'index' | 'snapshot' | 'lock'>

export interface StoredFile {
  readonly id: Id
  readonly sizeBytes: number
}

/** What every part of an opened repository needs. */
export interface RepositoryContext {
  readonly storage: Storage
  readonly version: 1 | 2
  readonly cipher: Cipher
  /** The main thread's; workers open their own. */
  readonly zstd: Zstd
}

/** Index, snapshot and lock files: sealed JSON under the SHA-256 of the stored bytes. */
export class RepositoryFiles {
  readonly #context: RepositoryContext

  constructor(context: RepositoryContext) {
    this.#context = context
  }

  /** Files of a type with their sizes, in no order; keys that are not ids (temporary, foreign) are left out. */
  async list(type: Exclude<FileType, 'config'>): Promise<StoredFile[]> {
    const files: StoredFile[] = []
    for await (const { key, sizeBytes } of this.#context.storage.list(FOLDERS[type])) {
      const id = idOfKey(key)
      if (id !== undefined) files.push({ id, sizeBytes })
    }
    return files
  }

  async listIds(type: Exclude<FileType, 'config'>): Promise<Id[]> {
    const ids: Id[] = []
    for await (const key of this.#context.storage.listKeys(FOLDERS[type])) {
      const id = idOfKey(key)
      if (id !== undefined) ids.push(id)
    }
    return ids
  }

  /** When each file was stored, by the storage's clock; without those of which its listing does not tell it. */
  async listTimes(type: Exclude<FileType, 'config'>, signal?: AbortSignal): Promise<Map<Id, Date>> {
    const times = new Map<Id, Date>()
    for await (const { key, modifiedAt } of this.#context.storage.list(FOLDERS[type], { signal })) {
      const id = idOfKey(key)
      if (id !== undefined && modifiedAt !== undefined) times.set(id, modifiedAt)
    }
    return times
  }

  /** When a file was written, where the storage knows. */
  async modifiedAt(type: Exclude<FileType, 'config'>, id: Id): Promise<Date | undefined> {
    return (await this.#context.storage.find(fileKey(type, id)))?.modifiedAt
  }

  /** JSON text, checked against name and seal: `damaged` or `storage-not-found`. */
  async load(type: SealedType, id: Id, signal?: AbortSignal): Promise<Uint8Array> {
    const subject = `${type} ${shortId(id)}`
    const { storage, cipher, zstd } = this.#context
    const stored = await storage.load(fileKey(type, id), { signal })
    if (blobId(stored) !== id) throw invalid(subject, 'its content does not match its name')
    const opened = cipher.open(stored)
    if (opened === undefined) throw invalid(subject, 'its seal is broken')
    return decodeUnpacked(opened, zstd, subject)
  }

  async save(type: SealedType, json: Uint8Array, signal?: AbortSignal): Promise<Id> {
    const { cipher, zstd, version } = this.#context
    const sealed = cipher.seal(encodeUnpacked(json, version, zstd))
    const id = blobId(sealed)
    await this.saveSealed(type, id, sealed, signal)
    return id
  }

  /** Of what was sealed elsewhere. */
  async saveSealed(type: SealedType, id: Id, sealed: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#context.storage.save(fileKey(type, id), sealed, { signal, sha256: id })
  }

  async remove(type: Exclude<FileType, 'config'>, id: Id): Promise<void> {
    await this.#context.storage.remove(fileKey(type, id))
  }

  /**
   * Loads many files at once. `use` gets each one's JSON text, or its error: `damaged` when the content is wrong,
   * `storage-not-found` when it vanished since it was listed. Other storage errors end the whole.
   */
  async loadEach(
    type: SealedType,
    ids: Iterable<Id>,
    use: (id: Id, json: Uint8Array | AppError) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    await forEachLimit(ids, this.#context.storage.traits.concurrency, async id => {
      let json: Uint8Array | AppError
      try {
        json = await this.load(type, id, signal)
      } catch (error) {
        if (!isAppError(error, 'damaged') && !isAppError(error, 'storage-not-found')) throw error
        json = error
      }
      use(id, json)
    })
  }
}
