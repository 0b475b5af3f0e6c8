import { setTimeout as wait } from 'node:timers/promises'
import type { RunningCommand } from './spawn.ts'

/**
 * `count` moments spread over (`from`, 1) of a run's usual time, at random within equal parts of it; the same for the
 * same seed. Before `from` a process only loads its modules.
 */
export function moments(count: number, seed: number, from = 0.3): number[] {
  let state = seed >>> 0
  return Array.from({ length: count }, (_, part) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return from + ((1 - from) * (part + state / 2 ** 32)) / count
  })
}

/** Kills a running command after a while, as `kill -9` does. True if it was still running. */
export async function killAfter(running: RunningCommand, delayMs: number): Promise<boolean> {
  const ended = running.result.then(() => 'ended' as const)
  const first = await Promise.race([ended, wait(delayMs, 'time' as const)])
  if (first === 'ended') return false
  running.child.kill('SIGKILL')
  return (await running.result).signal === 'SIGKILL'
}

/** How long a command takes when nobody kills it. */
export async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}
