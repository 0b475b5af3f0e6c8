import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '../../base/clock.ts'

/** `Date` has whole seconds, and answers take time on their way. */
const NEAR_MS = 60_000

/** The time by a server's clock, as its answers tell it; until one has, and where it is near ours, ours. */
export class ServerClock {
  readonly #clock: Pick<Clock, 'now'>
  #aheadMs = 0

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  hear({ date }: IncomingHttpHeaders): void {
    const theirs = Date.parse(date ?? '')
    if (Number.isNaN(theirs)) return
    const aheadMs = theirs - this.#clock.now().getTime()
    this.#aheadMs = Math.abs(aheadMs) < NEAR_MS ? 0 : aheadMs
  }

  now(): Date {
    return new Date(this.#clock.now().getTime() + this.#aheadMs)
  }
}
