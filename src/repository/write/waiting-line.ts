import type { Failure } from './failure.ts'

interface Waiting<T> {
  readonly resolve: (thing: T) => void
  readonly reject: (error: unknown) => void
}

/** Who waits for something to be given back. When the writing fails, things may be lost with it, so waiting ends then. */
export class WaitingLine<T> {
  readonly #failure: Failure
  #waiting: Waiting<T>[] = []

  constructor(failure: Failure) {
    this.#failure = failure
    failure.signal.addEventListener('abort', () => this.#rejectAll(), { once: true })
  }

  wait(): Promise<T> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** False when nobody waits. */
  give(thing: T): boolean {
    const next = this.#waiting.shift()
    next?.resolve(thing)
    return next !== undefined
  }

  #rejectAll(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { reject } of waiting) reject(this.#failure.error)
  }
}
