/** Memory that stays in a worker: what is read into it there, and stored from it, does not travel. */
export interface Slot {
  readonly writing: number
  readonly number: number
  readonly sizeBytes: number
}

/** One worker's slots. */
export class Slots {
  readonly #memory = new Map<number, Map<number, Uint8Array>>()

  /** The slot's memory: new when it was not asked for before. */
  open({ writing, number, sizeBytes }: Slot): Uint8Array {
    const own = this.#memory.get(writing) ?? new Map<number, Uint8Array>()
    this.#memory.set(writing, own)
    const memory = own.get(number) ?? new Uint8Array(sizeBytes)
    own.set(number, memory)
    return memory
  }

  drop(writing: number): void {
    this.#memory.delete(writing)
  }
}
