import type { Id } from '../../model/node.ts'

const WORDS = 8

/**
 * Numbers ids in the order in which they come: 40 bytes each, where a Map of strings takes 200. Numbers index columns
 * (typed arrays, bits) that callers keep beside it.
 */
export class IdTable {
  #size = 0
  #ids = new Uint32Array(1024 * WORDS)
  /** Open addressing; 0 is free, else number + 1. Never more than half full. */
  #slots = new Uint32Array(2048)
  readonly #probe = Buffer.alloc(32)
  readonly #probeWords = new Uint32Array(this.#probe.buffer, this.#probe.byteOffset, WORDS)

  get size(): number {
    return this.#size
  }

  /** The number of an id, a new one if it has none. */
  add(id: Id): number {
    const slot = this.#slotOf(id)
    const known = this.#slots[slot] ?? 0
    if (known > 0) return known - 1
    if ((this.#size + 1) * 2 > this.#slots.length) {
      this.#grow()
      return this.add(id)
    }
    if ((this.#size + 1) * WORDS > this.#ids.length) this.#ids = enlarged(this.#ids)
    this.#ids.set(this.#probeWords, this.#size * WORDS)
    this.#slots[slot] = this.#size + 1
    return this.#size++
  }

  /** The number of an id, or -1. */
  find(id: Id): number {
    return (this.#slots[this.#slotOf(id)] ?? 0) - 1
  }

  has(id: Id): boolean {
    return this.find(id) >= 0
  }

  idAt(number: number): Id {
    const start = number * WORDS * 4
    return Buffer.from(this.#ids.buffer, this.#ids.byteOffset + start, WORDS * 4).toString('hex')
  }

  /** The id's 32 bytes into `into` at `offset`. */
  copyTo(number: number, into: Uint8Array, offset: number): void {
    into.set(new Uint8Array(this.#ids.buffer, this.#ids.byteOffset + number * WORDS * 4, WORDS * 4), offset)
  }

  // Ids are hashes: any word of theirs spreads well.
  #slotOf(id: Id): number {
    if (this.#probe.write(id, 'hex') !== 32) throw new TypeError(`not an id: ${id}`)
    const mask = this.#slots.length - 1
    let slot = (this.#probeWords[0] ?? 0) & mask
    for (;;) {
      const known = this.#slots[slot] ?? 0
      if (known === 0 || this.#equals(known - 1)) return slot
      slot = (slot + 1) & mask
    }
  }

  #equals(number: number): boolean {
    const start = number * WORDS
    for (let word = 0; word < WORDS; word++) {
      if (this.#ids[start + word] !== this.#probeWords[word]) return false
    }
    return true
  }

  #grow(): void {
    const slots = new Uint32Array(this.#slots.length * 2)
    const mask = slots.length - 1
    for (let number = 0; number < this.#size; number++) {
      let slot = (this.#ids[number * WORDS] ?? 0) & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = number + 1
    }
    this.#slots = slots
  }
}

function enlarged(words: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  // Not by twice: with millions of ids half of the memory would be for none.
  const larger = new Uint32Array(Math.ceil((words.length * 1.5) / WORDS) * WORDS)
  larger.set(words)
  return larger
}

/** One bit for each number, growing as needed. */
export class BitSet {
  #words = new Uint32Array(64)

  has(number: number): boolean {
    return (((this.#words[number >>> 5] ?? 0) >>> (number & 31)) & 1) === 1
  }

  add(number: number): void {
    const word = number >>> 5
    while (word >= this.#words.length) this.#words = enlarged(this.#words)
    this.#words[word] = (this.#words[word] ?? 0) | (1 << (number & 31))
  }
}
