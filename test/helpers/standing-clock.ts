import type { Clock } from '../../src/base/clock.ts'

/** Time passes only when it is moved on. */
export class StandingClock implements Clock {
  readonly #start: Date
  #nowMs = 0
  #sleeping: Array<{ readonly untilMs: number; readonly wake: () => void }> = []

  constructor(start = new Date(0)) {
    this.#start = start
  }

  now(): Date {
    return new Date(this.#start.getTime() + this.#nowMs)
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise(wake => {
      this.#sleeping.push({ untilMs: this.#nowMs + ms, wake })
      signal?.addEventListener('abort', () => wake(), { once: true })
    })
  }

  /** Moves on to the end of each sleep in turn, up to so much later. */
  async advance(ms: number): Promise<void> {
    const end = this.#nowMs + ms
    await settled()
    for (;;) {
      const next = Math.min(...this.#sleeping.map(({ untilMs }) => untilMs))
      if (next > end) break
      this.#nowMs = Math.max(this.#nowMs, next)
      const due = this.#sleeping.filter(({ untilMs }) => untilMs <= this.#nowMs)
      this.#sleeping = this.#sleeping.filter(({ untilMs }) => untilMs > this.#nowMs)
      for (const { wake } of due) wake()
      await settled()
    }
    this.#nowMs = end
  }
}

/** All that needs no time has been done. */
export const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
