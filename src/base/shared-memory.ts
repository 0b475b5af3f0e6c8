/**
 * Memory that threads share, so that nobody copies what is in it; and that is used again, for it is free only when each
 * thread's garbage collector has let go of it.
 */
export class SharedMemory {
  readonly #free: ArrayBufferLike[] = []

  take(bytes: number): Buffer {
    const found = this.#free.pop()
    const memory = found !== undefined && found.byteLength >= bytes ? found : new SharedArrayBuffer(bytes)
    return Buffer.from(memory, 0, bytes)
  }

  /** Nobody looks at it any more. */
  give({ buffer }: Uint8Array): void {
    this.#free.push(buffer)
  }
}
