import { createHash } from 'node:crypto'
import { throwIfAborted } from '../../src/base/errors.ts'
import { assertKey, assertPrefix } from '../../src/storage/keys.ts'
import type {
  LoadOptions,
  SaveOptions,
  Storage,
  StorageCallOptions,
  StorageTraits,
  StoredObject,
} from '../../src/storage/storage.ts'
import { storageError } from '../../src/storage/storage-error.ts'

export const MEMORY_TRAITS: StorageTraits = {
  kind: 'memory',
  keys: 'any',
  overwrites: true,
  isFar: false,
  concurrency: 8,
  saves: 2,
  packBytes: 4 * 1024 * 1024,
  retryMs: 0,
}

/** A store that is gone with the process: for tests only. With other traits it stands for a server. */
export class MemoryStorage implements Storage {
  readonly location: string
  readonly traits: StorageTraits
  readonly #objects = new Map<string, { readonly content: Buffer; readonly modifiedAt: Date }>()
  readonly #now: () => Date

  /** @param now the store's own clock, which stamps what is saved */
  constructor(location = 'memory:', now: () => Date = () => new Date(), traits: Partial<StorageTraits> = {}) {
    this.location = location
    this.traits = { ...MEMORY_TRAITS, ...traits }
    this.#now = now
  }

  async *list(prefix: string, options: StorageCallOptions = {}): AsyncIterable<StoredObject> {
    assertPrefix(prefix)
    // A copy: what is removed while somebody lists may still be listed.
    for (const [key, { content, modifiedAt }] of Array.from(this.#objects)) {
      throwIfAborted(options.signal)
      if (key.startsWith(prefix)) yield { key, sizeBytes: content.length, modifiedAt }
    }
  }

  async *listKeys(prefix: string, options: StorageCallOptions = {}): AsyncIterable<string> {
    for await (const object of this.list(prefix, options)) yield object.key
  }

  async find(key: string, options: StorageCallOptions = {}): Promise<StoredObject | undefined> {
    this.#begin(key, options)
    const found = this.#objects.get(key)
    return found && { key, sizeBytes: found.content.length, modifiedAt: found.modifiedAt }
  }

  /** The caller owns the buffer: it is a copy. */
  async load(key: string, options: LoadOptions = {}): Promise<Buffer> {
    this.#begin(key, options)
    const content = this.#objects.get(key)?.content
    if (!content) throw storageError('storage-not-found', { verb: 'read', key, location: this.location })
    const { offset, length } = options.range ?? { offset: 0, length: content.length }
    if (offset + length > content.length) {
      throw storageError('storage-too-short', { verb: 'read', key, location: this.location })
    }
    return Buffer.from(content.subarray(offset, offset + length))
  }

  async save(key: string, content: Uint8Array | readonly Uint8Array[], options: SaveOptions = {}): Promise<void> {
    this.#begin(key, options)
    if ((options.ifAbsent || !this.traits.overwrites) && this.#objects.has(key)) {
      throw storageError('storage-exists', { verb: 'write', key, location: this.location })
    }
    const whole = Buffer.concat(content instanceof Uint8Array ? [content] : content)
    if (options.sha256 !== undefined && options.sha256 !== createHash('sha256').update(whole).digest('hex')) {
      throw new Error(`the caller gave a wrong SHA-256 for ${key}`)
    }
    this.#objects.set(key, { content: whole, modifiedAt: this.#now() })
  }

  async remove(key: string, options: StorageCallOptions = {}): Promise<void> {
    this.#begin(key, options)
    this.#objects.delete(key)
  }

  async freeBytes(): Promise<number | undefined> {
    return undefined
  }

  async close(): Promise<void> {}

  #begin(key: string, options: StorageCallOptions): void {
    assertKey(key, this.traits.keys)
    throwIfAborted(options.signal)
  }
}
