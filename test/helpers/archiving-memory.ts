import type { LoadOptions, SaveOptions, StorageArchive, StoredObject } from '../../src/storage/storage.ts'
import { storageError } from '../../src/storage/storage-error.ts'
import { MemoryStorage } from './memory-storage.ts'

/** A store that archives what is rarely read, and holds it back until it was asked for and `finishThawing` was called. */
export class ArchivingMemory extends MemoryStorage {
  readonly asked: string[] = []
  readonly #archived = new Map<string, 'archived' | 'thawing'>()
  readonly archive: StorageArchive = {
    thaw: async key => {
      this.asked.push(key)
      if (this.#archived.has(key)) this.#archived.set(key, 'thawing')
    },
    thawMs: () => 12 * 3_600_000,
  }

  get archived(): readonly string[] {
    return [...this.#archived.keys()]
  }

  finishThawing(): void {
    for (const [key, state] of this.#archived) if (state === 'thawing') this.#archived.delete(key)
  }

  override async *list(...args: Parameters<MemoryStorage['list']>): AsyncIterable<StoredObject> {
    for await (const object of super.list(...args)) {
      const archived = this.#archived.get(object.key)
      yield archived === undefined ? object : { ...object, archived }
    }
  }

  override async load(key: string, options: LoadOptions = {}): Promise<Buffer> {
    if (this.#archived.has(key)) throw storageError('storage-archived', { verb: 'read', key, location: this.location })
    return await super.load(key, options)
  }

  override async save(
    key: string,
    content: Uint8Array | readonly Uint8Array[],
    options: SaveOptions = {},
  ): Promise<void> {
    await super.save(key, content, options)
    if (options.isRarelyRead) this.#archived.set(key, 'archived')
  }

  override async remove(...[key, options]: Parameters<MemoryStorage['remove']>): Promise<void> {
    this.#archived.delete(key)
    await super.remove(key, options)
  }
}
