import type { AdapterContext } from '../base/adapter-context.ts'
import { AppError, isAppError, throwIfAborted } from '../base/errors.ts'
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
import { isTransient, retryAfterMs } from './storage-error.ts'

const FIRST_DELAY_MS = 500
const LONGEST_DELAY_MS = 60_000

/** Whether a store answers, for who would rather go on without it than wait as long as its traits say. */
export class StorageHealth {
  #failingSinceMs: number | undefined

  /** How long it has been failing, each call that ended in it; 0: the last one did not. */
  failingMs(nowMs: number): number {
    return this.#failingSinceMs === undefined ? 0 : nowMs - this.#failingSinceMs
  }

  failed(nowMs: number): void {
    this.#failingSinceMs ??= nowMs
  }

  /** A refusal is an answer too. */
  answered(): void {
    this.#failingSinceMs = undefined
  }
}

/**
 * Tries calls again whose errors say that this may help, for as long as the storage's traits ask for, with growing pauses.
 * A busy server is left alone by all calls, not only by the one that was told so.
 */
export class RetryingStorage implements Storage {
  readonly #inner: Storage
  readonly #context: Pick<AdapterContext, 'clock' | 'random' | 'logger'>
  readonly #stop: AbortSignal
  readonly #health: StorageHealth
  readonly #closed = new AbortController()
  /** No call begins before. */
  #quietUntilMs = 0

  /**
   * @param stop ends all waiting, also of calls without a signal: that of who is interrupted while it opens a repository,
   *   or removes its lock afterwards, whose first attempt is made nevertheless
   * @param health is told how the attempts end
   */
  constructor(
    inner: Storage,
    context: Pick<AdapterContext, 'clock' | 'random' | 'logger'>,
    stop: AbortSignal = new AbortController().signal,
    health: StorageHealth = new StorageHealth(),
  ) {
    this.#inner = inner
    this.#context = context
    this.#stop = stop
    this.#health = health
  }

  get location(): string {
    return this.#inner.location
  }

  get traits(): StorageTraits {
    return this.#inner.traits
  }

  get retention(): Retention | undefined {
    return retentionThrough(this.#inner.retention, (signal, call) => this.#retry(signal, call))
  }

  get archive(): StorageArchive | undefined {
    return archiveThrough(this.#inner.archive, (signal, call) => this.#retry(signal, call))
  }

  list(prefix: string, options: StorageCallOptions = {}): AsyncIterable<StoredObject> {
    return this.#list(
      () => this.#inner.list(prefix, options),
      ({ key }) => key,
      options.signal,
    )
  }

  listKeys(prefix: string, options: StorageCallOptions = {}): AsyncIterable<string> {
    return this.#list(
      () => this.#inner.listKeys(prefix, options),
      key => key,
      options.signal,
    )
  }

  find(key: string, options: StorageCallOptions = {}): Promise<StoredObject | undefined> {
    return this.#retry(options.signal, () => this.#inner.find(key, options))
  }

  load(key: string, options: LoadOptions = {}): Promise<Buffer> {
    return this.#retry(options.signal, () => this.#inner.load(key, options))
  }

  async save(key: string, content: Uint8Array | readonly Uint8Array[], options: SaveOptions = {}): Promise<void> {
    await this.#retry(options.signal, async attempt => {
      try {
        await this.#inner.save(key, content, options)
      } catch (error) {
        // An answer may be lost on its way back although the object was stored: then it is ours that is there.
        if (attempt === 1 || !isAppError(error, 'storage-exists')) throw error
        if (!(await this.#holds(key, content, options))) throw error
      }
    })
  }

  remove(key: string, options: StorageCallOptions = {}): Promise<void> {
    return this.#retry(options.signal, () => this.#inner.remove(key, options))
  }

  get history(): StorageHistory | undefined {
    const { history } = this.#inner
    return (
      history && {
        list: (prefix, options = {}) =>
          this.#list(
            () => history.list(prefix, options),
            ({ key, version, at }) => `${key} ${version} ${at?.getTime()}`,
            options.signal,
          ),
        load: (version, options = {}) => this.#retry(options.signal, () => history.load(version, options)),
      }
    )
  }

  freeBytes(): Promise<number | undefined> {
    return this.#retry(undefined, () => this.#inner.freeBytes())
  }

  /** Ends what is under way: who closes a store that does not answer waits for nothing more. */
  close(): Promise<void> {
    this.#closed.abort()
    return this.#inner.close()
  }

  async #holds(
    key: string,
    content: Uint8Array | readonly Uint8Array[],
    { signal }: StorageCallOptions,
  ): Promise<boolean> {
    const own = Buffer.concat(content instanceof Uint8Array ? [content] : content)
    return own.equals(await this.#inner.load(key, { signal }))
  }

  /** Begins anew after a failure, and passes over what was given already: no storage tells how to go on in the middle. */
  async *#list<T>(
    begin: () => AsyncIterable<T>,
    keyOf: (item: T) => string,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<T> {
    const given = new Set<string>()
    const retries = this.#startRetries()
    for (;;) {
      await this.#waitForQuiet(signal)
      const items = begin()[Symbol.asyncIterator]()
      try {
        for (;;) {
          const next = await items.next().catch((error: unknown) => ({ error }))
          this.#note('error' in next ? next.error : undefined)
          if ('error' in next) {
            await this.#pause(retries, next.error, signal)
            break
          }
          if (next.done) return
          const key = keyOf(next.value)
          if (given.has(key)) continue
          given.add(key)
          yield next.value
          // It goes on, so the next failure is another one.
          retries.reset()
        }
      } finally {
        await items.return?.()
      }
    }
  }

  async #retry<T>(signal: AbortSignal | undefined, call: (attempt: number) => Promise<T>): Promise<T> {
    const retries = this.#startRetries()
    for (let attempt = 1; ; attempt++) {
      await this.#waitForQuiet(signal)
      try {
        const result = await call(attempt)
        this.#note(undefined)
        return result
      } catch (error) {
        this.#note(error)
        await this.#pause(retries, error, signal)
      }
    }
  }

  #note(error: unknown): void {
    if (isTransient(error)) this.#health.failed(this.#context.clock.monotonicMs())
    else this.#health.answered()
  }

  #withStop(signal: AbortSignal | undefined): AbortSignal {
    const stops = [this.#stop, this.#closed.signal]
    return AbortSignal.any(signal === undefined ? stops : [signal, ...stops])
  }

  /** To whoever still uses it, that is a storage that failed. Nobody interrupted them. */
  #throwIfClosed(): void {
    if (!this.#closed.signal.aborted) return
    throw new AppError('storage-failed', `${this.location} was given up, for it did not answer`)
  }

  #throwIfStopped(signal: AbortSignal | undefined): void {
    throwIfAborted(signal)
    throwIfAborted(this.#stop)
    this.#throwIfClosed()
  }

  async #pause(retries: Retries, error: unknown, signal: AbortSignal | undefined): Promise<void> {
    await retries.pause(error, this.#withStop(signal), () => this.#throwIfStopped(signal))
  }

  /** Also between other calls' attempts: several may have been told to wait meanwhile. */
  async #waitForQuiet(signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#context
    this.#throwIfClosed()
    for (let left = this.#quietUntilMs - clock.monotonicMs(); left > 0; ) {
      const stop = this.#withStop(signal)
      await clock.sleep(left, stop)
      this.#throwIfStopped(signal)
      left = this.#quietUntilMs - clock.monotonicMs()
    }
  }

  #startRetries(): Retries {
    const leaveAlone = (ms: number): void => {
      this.#quietUntilMs = Math.max(this.#quietUntilMs, this.#context.clock.monotonicMs() + ms)
    }
    return new Retries(this.#context, this.traits.retryMs, leaveAlone)
  }
}

/** The attempts of one call. */
class Retries {
  readonly #context: Pick<AdapterContext, 'clock' | 'random' | 'logger'>
  readonly #forMs: number
  readonly #leaveAlone: (ms: number) => void
  #firstAtMs: number | undefined
  #delayMs = FIRST_DELAY_MS

  constructor(
    context: Pick<AdapterContext, 'clock' | 'random' | 'logger'>,
    forMs: number,
    leaveAlone: (ms: number) => void,
  ) {
    this.#context = context
    this.#forMs = forMs
    this.#leaveAlone = leaveAlone
  }

  reset(): void {
    this.#firstAtMs = undefined
    this.#delayMs = FIRST_DELAY_MS
  }

  /** Waits before the next attempt. Throws the error when there is to be none, or what `check` throws. */
  async pause(error: unknown, signal: AbortSignal, check: () => void): Promise<void> {
    check()
    if (!isTransient(error)) throw error
    const { clock, logger } = this.#context
    const now = clock.monotonicMs()
    this.#firstAtMs ??= now
    const delayMs = Math.max(this.#nextDelay(), retryAfterMs(error))
    if (now + delayMs - this.#firstAtMs > this.#forMs) throw error
    logger.warn(`trying again in ${Math.ceil(delayMs / 1000)} s: ${error.message}`)
    if (error.code === 'storage-busy') this.#leaveAlone(delayMs)
    await clock.sleep(delayMs, signal)
    check()
  }

  /** Between half of the pause and all of it, so that calls that failed together do not come back together. */
  #nextDelay(): number {
    const delayMs = this.#delayMs
    this.#delayMs = Math.min(LONGEST_DELAY_MS, delayMs * 2)
    return (delayMs / 2) * (1 + (this.#context.random.bytes(1)[0] ?? 0) / 256)
  }
}
