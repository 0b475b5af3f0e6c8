/** Time as a dependency, so that tests need no sleeps. */
export interface Clock {
  now(): Date
  /** Milliseconds since an arbitrary start; never goes back. For durations. */
  monotonicMs(): number
  /** Resolves after `ms`, or at once when the signal fires (it never rejects; look at the signal). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise(resolve => {
      if (signal?.aborted) return resolve()
      const done = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal?.addEventListener('abort', done, { once: true })
    }),
}
