import { acquireLock, type LockRequest } from './acquire.ts'
import type { HeldLock } from './held-lock.ts'

/**
 * The shared lock of a writing that begins while the lock still settles: reading and hashing need no lock, and the wait
 * would be a fifth of a small backup's time. Nothing may be stored before `settled`.
 */
export class WritingLock {
  /** Resolves when the lock file is there: from now on the index may be read. */
  readonly written: Promise<void>
  /** Resolves when the lock is certain, and what was learnt from the index before still holds. */
  readonly settled: Promise<void>
  readonly #lost = new AbortController()
  readonly #stop = new AbortController()
  readonly #locking: Promise<HeldLock>
  #timesWritten = 0

  /** @param recheck called when the lock had to be given up and taken again: another process may have pruned meanwhile */
  constructor(request: LockRequest, recheck: () => Promise<void>) {
    const written = Promise.withResolvers<void>()
    this.written = written.promise
    const signal = request.signal ? AbortSignal.any([request.signal, this.#stop.signal]) : this.#stop.signal
    const onWritten = (): void => {
      this.#timesWritten++
      written.resolve()
    }
    this.#locking = acquireLock({ ...request, signal, onWritten, looksFirst: request.waitMs > 0 })
    this.settled = this.#settle(recheck)
    this.settled.catch((error: unknown) => {
      written.reject(error)
      this.#lost.abort(error)
    })
  }

  /** Fires when there is no lock (any more). Its reason is the error to throw. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** Throws when the lock file is there no more. */
  async assertHeld(): Promise<void> {
    await (await this.#locking).assertHeld()
  }

  /** Throws when somebody may have pruned since the lock was last seen. */
  async assertUnbroken(): Promise<void> {
    await (await this.#locking).assertUnbroken()
  }

  /** Safe at any time, and twice. */
  async release(): Promise<void> {
    this.#stop.abort()
    const lock = await this.#locking.catch(() => undefined)
    await lock?.release()
  }

  async #settle(recheck: () => Promise<void>): Promise<void> {
    const lock = await this.#locking
    lock.lost.addEventListener('abort', () => this.#lost.abort(lock.lost.reason), { once: true })
    if (this.#timesWritten > 1) await recheck()
  }
}
