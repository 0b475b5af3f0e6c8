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

/**
 * Kills runs of one command, each at a part of the time that one takes. How busy the machine is changes meanwhile: a run
 * that ended before its time tells how long one takes now.
 */
export class Killer {
  #usualMs: number
  /** Runs that were really killed. */
  hits = 0

  private constructor(usualMs: number) {
    this.#usualMs = usualMs
  }

  /** @param run does the command once, undisturbed */
  static async for(run: () => Promise<unknown>): Promise<Killer> {
    const started = performance.now()
    await run()
    return new Killer(performance.now() - started)
  }

  /** As `kill -9` does. True if the command was still running. */
  async kill(running: RunningCommand, moment: number): Promise<boolean> {
    const started = performance.now()
    const ended = running.result.then(() => 'ended' as const)
    const first = await Promise.race([ended, wait(moment * this.#usualMs, 'time' as const)])
    if (first === 'ended') {
      this.#usualMs = performance.now() - started
      return false
    }
    running.child.kill('SIGKILL')
    const killed = (await running.result).signal === 'SIGKILL'
    if (killed) this.hits++
    return killed
  }
}

/** How long a command takes when nobody kills it. */
export async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}
