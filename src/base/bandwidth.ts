import type { Clock } from './clock.ts'
import { Semaphore } from './concurrency.ts'
import { throwIfAborted } from './errors.ts'
import { type Hours, isWithin } from './hours.ts'
import { untilAborted } from './interruptible.ts'

/** Bytes a second that one repository may take of a line, within some hours or always. */
export interface LineLimit {
  readonly up?: number | undefined
  readonly down?: number | undefined
  /** Undefined: always. */
  readonly hours?: Hours | undefined
}

/** What whoever moves bytes over a line asks before it does, or as soon as it has; over all connections. */
export interface Bandwidth {
  readonly up: Throttle | undefined
  readonly down: Throttle | undefined
}

/** Undefined where nothing is ever limited: then nobody has to ask. */
export function bandwidthOf(limits: readonly LineLimit[], clock: Clock): Bandwidth | undefined {
  const up = throttleOf(limits, ({ up }) => up, clock)
  const down = throttleOf(limits, ({ down }) => down, clock)
  return up || down ? { up, down } : undefined
}

/** Of a direction the first limit counts that covers the moment and says something of it. */
function throttleOf(
  limits: readonly LineLimit[],
  rateOf: (limit: LineLimit) => number | undefined,
  clock: Clock,
): Throttle | undefined {
  const said = limits.filter(limit => rateOf(limit) !== undefined)
  if (said.length === 0) return undefined
  const rateNow = (now: Date): number | undefined => {
    const first = said.find(({ hours }) => hours === undefined || isWithin(hours, now))
    return first && rateOf(first)
  }
  return new Throttle(rateNow, clock)
}

/** What may pass at once. Longer ones would be felt on the line, shorter ones cost time of the processor. */
const LONGEST_SLICE = 64 * 1024
const SHORTEST_SLICE = 1024
const SLICES_A_SECOND = 16
/** So soon a new hour is noticed. */
const LONGEST_WAIT_MS = 1000

/** So many bytes a second on average over all that ask, in their order, and little more than that in any tenth of a second. */
export class Throttle {
  readonly #rateNow: (now: Date) => number | undefined
  readonly #clock: Clock
  readonly #turn = new Semaphore(1)
  /** Bytes that may pass now; below zero where more has passed than was due. */
  #due = 0
  #countedAtMs: number

  /** @param rateNow bytes a second; undefined: as fast as it goes */
  constructor(rateNow: (now: Date) => number | undefined, clock: Clock) {
    this.#rateNow = rateNow
    this.#clock = clock
    this.#countedAtMs = clock.monotonicMs()
  }

  /** How many bytes to ask for at once, so that they go evenly; undefined: as many as one likes. */
  get sliceBytes(): number | undefined {
    const rate = this.#rateNow(this.#clock.now())
    return rate && sliceOf(rate)
  }

  /** Resolves when so many bytes may pass, or what passed already is paid for. `interrupted` as soon as the signal fires. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    await untilAborted(this.#turn.acquire(), signal, () => this.#turn.release())
    try {
      for (;;) {
        throwIfAborted(signal)
        const waitMs = this.#waitMs()
        if (waitMs === 0) break
        await this.#clock.sleep(Math.min(LONGEST_WAIT_MS, waitMs), signal)
      }
      this.#due -= bytes
    } finally {
      this.#turn.release()
    }
  }

  /** Of what was taken and did not pass. */
  giveBack(bytes: number): void {
    this.#due += bytes
  }

  /** Until something may pass. Looked at anew after each wait: the hours may have changed. */
  #waitMs(): number {
    const nowMs = this.#clock.monotonicMs()
    const passedMs = nowMs - this.#countedAtMs
    this.#countedAtMs = nowMs
    const rate = this.#rateNow(this.#clock.now())
    if (rate === undefined) {
      this.#due = 0
      return 0
    }
    // What nobody used is lost, or a pause would be followed by a flood.
    this.#due = Math.min(sliceOf(rate), this.#due + (passedMs / 1000) * rate)
    return this.#due > 0 ? 0 : Math.max(1, (-this.#due / rate) * 1000)
  }
}

function sliceOf(rate: number): number {
  return Math.round(Math.min(LONGEST_SLICE, Math.max(SHORTEST_SLICE, rate / SLICES_A_SECOND)))
}
