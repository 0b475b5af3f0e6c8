import type { Failure } from './failure.ts'

interface Waiting {
  readonly resolve: (buffer: Uint8Array) => void
  readonly reject: (error: unknown) => void
}

/**
 * Buffers of one size, at most `limit` of them at once: who asks for more waits. That is what bounds a backup's memory.
 * When the writing fails, buffers may be lost with it, so waiting ends then.
 */
export class BufferPool {
  readonly #size: number
  readonly #failure: Failure
  readonly #free: Uint8Array[] = []
  #waiting: Waiting[] = []
  #left: number

  constructor(size: number, limit: number, failure: Failure) {
    this.#size = size
    this.#left = limit
    this.#failure = failure
    failure.signal.addEventListener('abort', () => this.#rejectAll(), { once: true })
  }

  async acquire(): Promise<Uint8Array> {
    this.#failure.check()
    const free = this.#free.pop()
    if (free) return free
    if (this.#left > 0) {
      this.#left--
      return new Uint8Array(this.#size)
    }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** Gives back a buffer of this pool; it may have been to a worker and back meanwhile. */
  release(buffer: Uint8Array): void {
    const whole = new Uint8Array(buffer.buffer)
    const next = this.#waiting.shift()
    if (next) next.resolve(whole)
    else this.#free.push(whole)
  }

  #rejectAll(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { reject } of waiting) reject(this.#failure.error)
  }
}
