import type { Failure } from './failure.ts'
import { WaitingLine } from './waiting-line.ts'

/** Buffers of one size, at most `limit` of them at once: who asks for more waits. That is what bounds a backup's memory. */
export class BufferPool {
  readonly sizeBytes: number
  readonly #failure: Failure
  readonly #line: WaitingLine<Uint8Array>
  readonly #free: Uint8Array[] = []
  #left: number

  constructor(sizeBytes: number, limit: number, failure: Failure) {
    this.sizeBytes = sizeBytes
    this.#left = limit
    this.#failure = failure
    this.#line = new WaitingLine(failure)
  }

  /** Who asks now has to wait. */
  get isUsedUp(): boolean {
    return this.#left === 0 && this.#free.length === 0
  }

  async acquire(): Promise<Uint8Array> {
    this.#failure.check()
    const free = this.#free.pop()
    if (free) return free
    if (this.#left > 0) {
      this.#left--
      return new Uint8Array(this.sizeBytes)
    }
    return await this.#line.wait()
  }

  /** Gives back a buffer of this pool; it may have been to a worker and back meanwhile. */
  release(buffer: Uint8Array): void {
    const whole = new Uint8Array(buffer.buffer)
    if (!this.#line.give(whole)) this.#free.push(whole)
  }
}
