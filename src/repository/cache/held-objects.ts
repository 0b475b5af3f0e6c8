import type { KeptObjects } from './kept-objects.ts'

/** As `KeptObjects`, in memory: for who may not believe what is on this machine. The oldest go when there is more. */
export class HeldObjects implements Pick<KeptObjects, 'load' | 'keep' | 'forget'> {
  readonly #maxBytes: number
  readonly #objects = new Map<string, Buffer>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  load(name: string, range?: { readonly offset: number; readonly length: number }): Buffer | undefined {
    const object = this.#objects.get(name)
    if (object === undefined || range === undefined) return object
    const end = range.offset + range.length
    return end > object.length ? undefined : object.subarray(range.offset, end)
  }

  keep(name: string, parts: readonly Uint8Array[]): Promise<void> {
    const object = Buffer.concat(parts)
    if (object.length > this.#maxBytes) return Promise.resolve()
    this.#objects.set(name, object)
    this.#bytes += object.length
    for (const [oldest, { length }] of this.#objects) {
      if (this.#bytes <= this.#maxBytes) break
      this.#objects.delete(oldest)
      this.#bytes -= length
    }
    return Promise.resolve()
  }

  forget(name: string): Promise<void> {
    this.#bytes -= this.#objects.get(name)?.length ?? 0
    this.#objects.delete(name)
    return Promise.resolve()
  }
}
