import { AppError, throwIfAborted } from '../../base/errors.ts'
import { assertKey, assertPrefix } from '../keys.ts'
import type { LoadOptions, SaveOptions, Storage, StorageCallOptions, StoredObject } from '../storage.ts'

// One name, one store, for as long as the process lives: like a path.
const named = new Map<string, MemoryStorage>()

/** `memory:` alone is a new store each time. */
export function openMemoryStorage(url: string): Storage {
  const name = url.slice('memory:'.length)
  if (name === '') return new MemoryStorage(url)
  const known = named.get(name) ?? new MemoryStorage(url)
  named.set(name, known)
  return known
}

export class MemoryStorage implements Storage {
  readonly location: string
  readonly traits = { kind: 'memory', concurrency: 8 }
  readonly #objects = new Map<string, { readonly content: Buffer; readonly modifiedAt: Date }>()
  readonly #now: () => Date

  /** @param now the store's own clock, which stamps what is saved */
  constructor(location = 'memory:', now: () => Date = () => new Date()) {
    this.location = location
    this.#now = now
  }

  async *list(prefix: string, options: StorageCallOptions = {}): AsyncIterable<StoredObject> {
    assertPrefix(prefix)
    // A copy: what is removed while somebody lists may still be listed.
    for (const [key, { content }] of Array.from(this.#objects)) {
      throwIfAborted(options.signal)
      if (key.startsWith(prefix)) yield { key, sizeBytes: content.length }
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
    if (!content) throw new AppError('storage-not-found', `${key} is not in ${this.location}`)
    const { offset, length } = options.range ?? { offset: 0, length: content.length }
    if (offset + length > content.length) {
      throw new AppError(
        'storage-failed',
        `cannot read ${key} from ${this.location}: it ends before the range asked for`,
      )
    }
    return Buffer.from(content.subarray(offset, offset + length))
  }

  async save(key: string, content: Uint8Array | readonly Uint8Array[], options: SaveOptions = {}): Promise<void> {
    this.#begin(key, options)
    if (options.ifAbsent && this.#objects.has(key)) {
      throw new AppError('storage-exists', `${key} is already in ${this.location}`)
    }
    const whole = Buffer.concat(content instanceof Uint8Array ? [content] : content)
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
    assertKey(key)
    throwIfAborted(options.signal)
  }
}
