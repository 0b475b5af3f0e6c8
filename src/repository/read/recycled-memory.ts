// Packs are of about one size: rounded up, each piece fits nearly all of them. What is not touched takes no memory.
const STEP_BYTES = 4 * 1024 * 1024

/**
 * Memory that goes round between loading and the worker threads. Allocating megabytes anew for every load leaves it to
 * the garbage collectors of several threads to give them back, and they take their time.
 */
export class RecycledMemory {
  readonly #free: Buffer[] = []
  readonly #keep: number

  /** @param keep how many pieces to hold on to */
  constructor(keep: number) {
    this.#keep = keep
  }

  /** A piece of at least this length, or a new one. */
  take(length: number): Buffer {
    const at = this.#free.findIndex(piece => piece.length >= length)
    const [piece] = at < 0 ? [] : this.#free.splice(at, 1)
    return piece ?? Buffer.allocUnsafeSlow(Math.ceil(length / STEP_BYTES) * STEP_BYTES)
  }

  /** Nobody may use the bytes any more. What was not made here is left alone: others may have a part of the same memory. */
  give(bytes: Uint8Array): void {
    const { buffer } = bytes
    const isOurs = buffer.byteLength > 0 && buffer.byteLength % STEP_BYTES === 0
    if (!(buffer instanceof ArrayBuffer) || !isOurs) return
    if (this.#free.length >= this.#keep) this.#free.shift()
    this.#free.push(Buffer.from(buffer))
  }
}
