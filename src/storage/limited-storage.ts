import { throwIfAborted } from '../base/errors.ts'
import { archiveThrough } from './archive-through.ts'
import { retentionThrough } from './retention-through.ts'
import type {
  LoadOptions,
  Retention,
  SaveOptions,
  Storage,
  StorageArchive,
  StorageCallOptions,
  StorageHistory,
  StorageTraits,
  StoredObject,
} from './storage.ts'

/** Makes no more calls at once than the storage's traits say. Listings are not counted: who lists makes other calls meanwhile. */
export class LimitedStorage implements Storage {
  readonly #inner: Storage
  readonly #waiting: Array<() => void> = []
  #free: number

  constructor(inner: Storage) {
    this.#inner = inner
    this.#free = Math.max(1, inner.traits.concurrency)
  }

  get location(): string {
    return this.#inner.location
  }

  get traits(): StorageTraits {
    return this.#inner.traits
  }

  get retention(): Retention | undefined {
    return retentionThrough(this.#inner.retention, (signal, call) => this.#run(signal, call))
  }

  get archive(): StorageArchive | undefined {
    return archiveThrough(this.#inner.archive, (signal, call) => this.#run(signal, call))
  }

  list(prefix: string, options?: StorageCallOptions): AsyncIterable<StoredObject> {
    return this.#inner.list(prefix, options)
  }

  listKeys(prefix: string, options?: StorageCallOptions): AsyncIterable<string> {
    return this.#inner.listKeys(prefix, options)
  }

  find(key: string, options: StorageCallOptions = {}): Promise<StoredObject | undefined> {
    return this.#run(options.signal, () => this.#inner.find(key, options))
  }

  load(key: string, options: LoadOptions = {}): Promise<Buffer> {
    return this.#run(options.signal, () => this.#inner.load(key, options))
  }

  get history(): StorageHistory | undefined {
    const { history } = this.#inner
    return (
      history && {
        list: (prefix, options) => history.list(prefix, options),
        load: (version, options = {}) => this.#run(options.signal, () => history.load(version, options)),
      }
    )
  }

  save(key: string, content: Uint8Array | readonly Uint8Array[], options: SaveOptions = {}): Promise<void> {
    return this.#run(options.signal, () => this.#inner.save(key, content, options))
  }

  remove(key: string, options: StorageCallOptions = {}): Promise<void> {
    return this.#run(options.signal, () => this.#inner.remove(key, options))
  }

  freeBytes(): Promise<number | undefined> {
    return this.#inner.freeBytes()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  async #run<T>(signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
    await this.#enter(signal)
    try {
      return await call()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free++
    }
  }

  async #enter(signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal)
    if (this.#free > 0) {
      this.#free--
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const leave = (): void => {
      const at = this.#waiting.indexOf(resolve)
      if (at >= 0) this.#waiting.splice(at, 1)
      // One whose turn has come keeps it, and finds out by itself that it was interrupted.
      if (at >= 0) reject(signal?.reason)
    }
    this.#waiting.push(resolve)
    signal?.addEventListener('abort', leave, { once: true })
    await promise.catch(() => throwIfAborted(signal)).finally(() => signal?.removeEventListener('abort', leave))
  }
}
