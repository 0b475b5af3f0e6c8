import type { Clock } from '../base/clock.ts'
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

/** Bytes a second, on average over all calls; undefined: as fast as it goes. */
export interface RateLimits {
  readonly upload?: number | undefined
  readonly download?: number | undefined
}

/**
 * Makes no more calls at once than the storage's traits say, and holds to the rates. One object passes at the line's full
 * speed, and the next one waits until it is paid for. Listings are not counted: who lists makes other calls meanwhile.
 */
export class LimitedStorage implements Storage {
  readonly #inner: Storage
  readonly #upload: Rate | undefined
  readonly #download: Rate | undefined
  readonly #waiting: Array<() => void> = []
  #free: number

  constructor(inner: Storage, limits: RateLimits, clock: Clock) {
    this.#inner = inner
    this.#free = Math.max(1, inner.traits.concurrency)
    this.#upload = limits.upload === undefined ? undefined : new Rate(limits.upload, clock)
    this.#download = limits.download === undefined ? undefined : new Rate(limits.download, clock)
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
    return this.#load(options, () => this.#inner.load(key, options))
  }

  get history(): StorageHistory | undefined {
    const { history } = this.#inner
    return (
      history && {
        list: (prefix, options) => history.list(prefix, options),
        load: (version, options = {}) => this.#load(options, () => history.load(version, options)),
      }
    )
  }

  #load({ range, signal }: LoadOptions, load: () => Promise<Buffer>): Promise<Buffer> {
    return this.#run(signal, async () => {
      const known = range?.length ?? 0
      await this.#download?.pay(known, signal)
      const content = await load()
      // Of a whole object it is known only now: the calls after it wait for that.
      this.#download?.owe(content.length - known)
      return content
    })
  }

  save(key: string, content: Uint8Array | readonly Uint8Array[], options: SaveOptions = {}): Promise<void> {
    return this.#run(options.signal, async () => {
      await this.#upload?.pay(bytesOf(content), options.signal)
      await this.#inner.save(key, content, options)
    })
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

/** So many bytes a second. Who takes some takes them at once, and who comes next waits until they are paid for. */
class Rate {
  readonly #bytesPerSecond: number
  readonly #clock: Clock
  #paidAtMs = 0

  constructor(bytesPerSecond: number, clock: Clock) {
    this.#bytesPerSecond = bytesPerSecond
    this.#clock = clock
  }

  async pay(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    // Again after each sleep: of several that waited, one was first.
    for (;;) {
      throwIfAborted(signal)
      const left = this.#paidAtMs - this.#clock.monotonicMs()
      if (left <= 0) return this.owe(bytes)
      await this.#clock.sleep(left, signal)
    }
  }

  owe(bytes: number): void {
    this.#paidAtMs = Math.max(this.#paidAtMs, this.#clock.monotonicMs()) + (bytes / this.#bytesPerSecond) * 1000
  }
}

function bytesOf(content: Uint8Array | readonly Uint8Array[]): number {
  return content instanceof Uint8Array ? content.length : content.reduce((sum, part) => sum + part.length, 0)
}
