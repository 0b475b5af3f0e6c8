import { isatty } from 'node:tty'
import { killUserCommands } from '../base/user-command.ts'

export interface Interrupts {
  readonly signal: AbortSignal
  /** 128 + the signal's number, as a shell says it; undefined when none came. */
  readonly exitCode: number | undefined
  stop(): void
  /** Ends the process by the signal that came: `process.exit` waits for calls to file systems that never answer. */
  end(): void
}

const NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const
type Name = keyof typeof NUMBERS

/**
 * A signal that fires on the first Ctrl-C or SIGTERM, so that operations can stop in order; the second one ends the
 * process at once. Signals within a moment of each other count as one: a terminal sends Ctrl-C to the starting process
 * (see bin/lifeboat.js) and to us, and the starting process passes it on.
 */
export function watchInterrupts(
  monotonicMs: () => number,
  environment: Readonly<Record<string, string | undefined>>,
): Interrupts {
  const controller = new AbortController()
  let first: { readonly name: Name; readonly atMs: number } | undefined
  const handlers = new Map<Name, () => void>()
  const stop = (): void => {
    for (const [name, handler] of handlers) process.off(name, handler)
  }
  const end = (): void => {
    killUserCommands()
    stop()
    if (first !== undefined) process.kill(process.pid, first.name)
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    handlers.set(name, () => {
      if (name === 'SIGHUP' && !hasTerminal(environment)) return
      first ??= { name, atMs: monotonicMs() }
      if (monotonicMs() - first.atMs > SAME_KEY_MS) end()
      controller.abort()
    })
  }
  for (const [name, handler] of handlers) process.on(name, handler)
  return {
    signal: controller.signal,
    get exitCode() {
      return first === undefined ? undefined : 128 + NUMBERS[first.name]
    },
    stop,
    end,
  }
}

/**
 * Does it concern us that the terminal is gone? `nohup` has the signal ignored, which bin/lifeboat tells us, for Node
 * undoes it before we run. Where Node was started directly, there is only that `nohup` leaves no stream to the terminal.
 */
function hasTerminal(environment: Readonly<Record<string, string | undefined>>): boolean {
  return environment['LIFEBOAT_NOHUP'] === undefined && [0, 1, 2].some(stream => isatty(stream))
}

const SAME_KEY_MS = 250
