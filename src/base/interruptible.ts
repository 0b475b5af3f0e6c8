import { throwIfAborted } from './errors.ts'

/**
 * What a promise gives, or `interrupted` as soon as the signal fires: a call to a file system that does not answer can't
 * be ended, but it need not be waited for. `onLate` gets what comes after all.
 */
export async function untilAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  onLate: (value: T) => void = () => {},
): Promise<T> {
  if (signal === undefined) return await promise
  let stop = (): void => {}
  const aborted = new Promise<'aborted'>(resolve => {
    stop = () => resolve('aborted')
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
  try {
    const first = await Promise.race([promise.then(value => ({ value })), aborted])
    if (first !== 'aborted') return first.value
    promise.then(onLate, () => {})
    throwIfAborted(signal)
    return await promise
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
