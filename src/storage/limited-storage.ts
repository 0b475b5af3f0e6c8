import { throwIfAborted } from '../base/errors.ts'
import type { StorageCall } from '../model/storage-calls.ts'
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

/** Gets each call that is made, also each attempt of one that is tried again. */
export type OnCall = (call: StorageCall, count: number) => void

/** Objects in a page of a listing, as most services have it. */
const PAGE_OBJECTS = 1000

/**
 * Makes no more calls at once than the storage's traits say, listings apart: who lists makes other calls meanwhile. Counts
 * them for whoever pays for them.
 */
export class LimitedStorage implements Storage {
  readonly #inner: Storage
  readonly #onCall: OnCall
  readonly #waiting: Array<() => void> = []
  #free: number

  constructor(inner: Storage, onCall: OnCall = () => {}) {
    this.#inner = inner
    this.#onCall = onCall
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
    return this.#paged(this.#inner.list(prefix, options))
  }

  listKeys(prefix: string, options?: StorageCallOptions): AsyncIterable<string> {
    return this.#paged(this.#inner.listKeys(prefix, options))
  }

  find(key: string, options: StorageCallOptions = {}): Promise<StoredObject | undefined> {
    return this.#run(options.signal, () => this.#inner.find(key, options), 'finds')
  }

  load(key: string, options: LoadOptions = {}): Promise<Buffer> {
    return this.#run(options.signal, () => this.#inner.load(key, options), 'loads')
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
    return this.#run(options.signal, () => this.#inner.save(key, content, options), 'saves')
  }

  remove(key: string, options: StorageCallOptions = {}): Promise<void> {
    return this.#run(options.signal, () => this.#inner.remove(key, options), 'removes')
  }

  freeBytes(): Promise<number | undefined> {
    return this.#inner.freeBytes()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  async *#paged<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
    let objects = 0
    try {
      for await (const item of items) {
        objects++
        yield item
      }
    } finally {
      this.#onCall('lists', Math.max(1, Math.ceil(objects / PAGE_OBJECTS)))
    }
  }

  async #run<T>(signal: AbortSignal | undefined, call: () => Promise<T>, kind?: StorageCall): Promise<T> {
    await this.#enter(signal)
    if (kind !== undefined) this.#onCall(kind, 1)
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
