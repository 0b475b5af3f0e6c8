import type { Retention } from './storage.ts'

/** The same retention, each of its calls made by `run`: for what is put around a storage. */
export function retentionThrough(
  retention: Retention | undefined,
  run: <T>(signal: AbortSignal | undefined, call: () => Promise<T>) => Promise<T>,
): Retention | undefined {
  if (retention === undefined) return undefined
  return {
    lock: retention.lock,
    now: () => retention.now(),
    findLockedUntil: (key, options = {}) => run(options.signal, () => retention.findLockedUntil(key, options)),
    readBucket: (options = {}) => run(options.signal, () => retention.readBucket(options)),
    tryToDestroy: (key, isLocked, options = {}) =>
      run(options.signal, () => retention.tryToDestroy(key, isLocked, options)),
    advice: retention.advice,
    extendLock: (key, until, options = {}) => run(options.signal, () => retention.extendLock(key, until, options)),
  }
}
