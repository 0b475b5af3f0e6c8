import { forEachLimit } from '../../base/concurrency.ts'
import { throwIfAborted } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import type { Storage, StorageArchive } from '../../storage/storage.ts'
import type { ArchivedPack, PackArchive, ThawOptions } from '../contract/archive.ts'
import { fileKey } from '../format/file-keys.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import { listArchivedPacks } from './archived-packs.ts'

/** Looks for archived packs by the index and a listing, and asks the storage for them. */
export class StoredArchive implements PackArchive {
  readonly #storage: Storage
  readonly #archive: StorageArchive
  readonly #index: BlobIndex

  /** @param archive the storage's */
  constructor(storage: Storage, archive: StorageArchive, index: BlobIndex) {
    this.#storage = storage
    this.#archive = archive
    this.#index = index
  }

  async findNeeded(blobs: AsyncIterable<Id>, signal: AbortSignal): Promise<readonly ArchivedPack[]> {
    await this.#index.refresh(signal)
    const archived = await listArchivedPacks(this.#storage, signal)
    const needed = new Set<ArchivedPack>()
    if (archived.size === 0) return []
    for await (const id of blobs) {
      throwIfAborted(signal)
      const packs = this.#index.findAll('data', id).map(({ packId }) => archived.get(packId))
      const [first] = packs
      // Of several archived copies one is enough.
      if (first && !packs.includes(undefined) && !packs.some(pack => pack && needed.has(pack))) needed.add(first)
    }
    return [...needed]
  }

  async findAll(signal: AbortSignal): Promise<readonly ArchivedPack[]> {
    return [...(await listArchivedPacks(this.#storage, signal)).values()]
  }

  async stillArchived(packs: readonly ArchivedPack[], signal: AbortSignal): Promise<readonly ArchivedPack[]> {
    const archived = await listArchivedPacks(this.#storage, signal)
    return packs.flatMap(({ id }) => archived.get(id) ?? [])
  }

  async thaw(packs: readonly ArchivedPack[], { signal, onProgress }: ThawOptions): Promise<void> {
    const asleep = packs.filter(({ isThawing }) => !isThawing)
    let done = 0
    await forEachLimit(asleep, this.#storage.traits.concurrency, async ({ id }) => {
      throwIfAborted(signal)
      await this.#archive.thaw(fileKey('pack', id), { signal })
      onProgress?.(++done, asleep.length)
    })
  }
}
