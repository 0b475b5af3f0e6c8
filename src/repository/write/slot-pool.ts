import type { Lane } from '../workers/lane.ts'
import type { WorkerPool } from '../workers/pool.ts'
import type { Failure } from './failure.ts'
import type { Slot } from './slots.ts'
import { WaitingLine } from './waiting-line.ts'

/** A slot, and the thread that has it. */
export interface PlacedSlot {
  readonly slot: Slot
  readonly lane: Lane
}

export interface SlotPoolOptions {
  readonly workers: WorkerPool
  readonly failure: Failure
  readonly writing: number
  readonly sizeBytes: number
  /** Over all threads. */
  readonly limit: number
}

let slots = 0

/** Slots of one size in all threads, at most `limit` at once: who asks for more waits. */
export class SlotPool {
  readonly #options: SlotPoolOptions
  readonly #line: WaitingLine<PlacedSlot>
  #free: PlacedSlot[] = []
  #left: number

  constructor(options: SlotPoolOptions) {
    this.#options = options
    this.#left = options.limit
    this.#line = new WaitingLine(options.failure)
  }

  /** Who asks now has to wait. */
  get isUsedUp(): boolean {
    return this.#left === 0 && this.#free.length === 0
  }

  /** In the thread with the least to do, if there is one left. */
  async acquire(): Promise<PlacedSlot> {
    const { workers, failure, writing, sizeBytes } = this.#options
    failure.check()
    const lane = workers.leastBusyThread()
    const place = this.#free.find(free => free.lane === lane)
    if (place === undefined && this.#left > 0) {
      this.#left--
      return { lane, slot: { writing, number: slots++, sizeBytes } }
    }
    const taken = place ?? this.#free[0]
    if (taken === undefined) return await this.#line.wait()
    this.#free = this.#free.filter(free => free !== taken)
    return taken
  }

  release(place: PlacedSlot): void {
    if (!this.#line.give(place)) this.#free.push(place)
  }
}
