/** Lets at most `limit` holders in at once; waiters are served in order. */
export class Semaphore {
  #free: number
  readonly #waiting: Array<() => void> = []

  constructor(limit: number) {
    this.#free = limit
  }

  async acquire(): Promise<void> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  release(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#free++
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.acquire()
    try {
      return await work()
    } finally {
      this.release()
    }
  }
}

/**
 * Runs `work` over `items`, at most `limit` at once, pulling items lazily. Stops pulling at the first failure (of `work`
 * or of `items`), waits for what is under way, then throws that failure.
 */
export async function forEachLimit<T>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined
  try {
    for await (const item of items) {
      if (failure) break
      const task = work(item)
        .catch((error: unknown) => {
          failure ??= { error }
        })
        .finally(() => running.delete(task))
      running.add(task)
      if (running.size >= limit) await Promise.race(running)
    }
  } catch (error) {
    // What is under way may use what the caller gives back when this ends.
    failure ??= { error }
  }
  await Promise.all(running)
  if (failure) throw failure.error
}

/** Does `work`, then `cleanUp` in any case. Where both fail, what `work` threw is what a person must see. */
export async function withCleanUp<T>(work: () => Promise<T>, cleanUp: () => Promise<void>): Promise<T> {
  let result: T
  try {
    result = await work()
  } catch (error) {
    await cleanUp().catch(() => undefined)
    throw error
  }
  await cleanUp()
  return result
}

/** Waits for all of them, also when one fails; then throws the first failure in their order, so that it is always the same. */
export async function allDone<T extends readonly unknown[]>(
  ...tasks: { readonly [K in keyof T]: Promise<T[K]> }
): Promise<{ -readonly [K in keyof T]: T[K] }> {
  const settled = await Promise.allSettled(tasks)
  const values = settled.map(each => {
    if (each.status === 'rejected') throw each.reason
    return each.value
  })
  return values as { -readonly [K in keyof T]: T[K] }
}
