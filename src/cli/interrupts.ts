/**
 * A signal that fires on the first Ctrl-C or SIGTERM, so that operations can stop in order; the second one ends the
 * process at once. Signals within a moment of each other count as one: a terminal sends Ctrl-C to the starting process
 * (see bin/lifeboat.js) and to us, and the starting process passes it on.
 */
export function watchInterrupts(monotonicMs: () => number): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController()
  let firstMs: number | undefined
  const onSignal = (): void => {
    firstMs ??= monotonicMs()
    // oxlint-disable-next-line no-process-exit -- the second Ctrl-C means: at once
    if (monotonicMs() - firstMs > SAME_KEY_MS) process.exit(130)
    controller.abort()
  }
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of names) process.on(name, onSignal)
  return {
    signal: controller.signal,
    stop: () => {
      for (const name of names) process.off(name, onSignal)
    },
  }
}

const SAME_KEY_MS = 250
