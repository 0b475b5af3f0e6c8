/** Small, fast, seeded randomness (xorshift128). Not for secrets. */
export class SeededRandom {
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(seed: number) {
    this.#a = seed | 0 || 1
    this.#b = 0x9e3779b9
    this.#c = 0x243f6a88
    this.#d = 0xb7e15162
    for (let round = 0; round < 20; round++) this.uint32()
  }

  uint32(): number {
    let t = this.#d
    const s = this.#a
    this.#d = this.#c
    this.#c = this.#b
    this.#b = s
    t ^= t << 11
    t ^= t >>> 8
    this.#a = t ^ s ^ (s >>> 19)
    return this.#a >>> 0
  }

  /** 0 <= result < limit. */
  below(limit: number): number {
    return Math.floor((this.uint32() / 0x1_0000_0000) * limit)
  }

  hex(digits: number): string {
    let out = ''
    while (out.length < digits) out += this.uint32().toString(16).padStart(8, '0')
    return out.slice(0, digits)
  }
}

const ONSETS = ['', 'b', 'c', 'd', 'f', 'g', 'h', 'l', 'm', 'n', 'p', 'r', 's', 't', 'w', 'st', 'tr', 'ch', 'sh', 'pr']
const VOWELS = ['a', 'e', 'i', 'o', 'u', 'ea', 'ou', 'ai']
const CODAS = ['', '', 'n', 'r', 's', 't', 'l', 'd', 'm', 'ng', 'nt', 'ck']

/** How many words there are, and how steep the frequencies fall (word of rank r: 1 / r ** STEEPNESS). */
const VOCABULARY = 32_000
const STEEPNESS = 1
const TABLE_BITS = 19

/**
 * Text whose words are as frequent as in a natural language (Zipf's law): zstd shrinks it to about a third, as it does
 * real mail, where repeated sentences would shrink to nothing.
 */
export class TextGenerator {
  readonly #random: SeededRandom
  readonly #words: Buffer[]
  readonly #table: Uint16Array

  constructor(random: SeededRandom) {
    this.#random = random
    this.#words = makeVocabulary(random)
    this.#table = makeFrequencyTable(this.#words.length)
  }

  word(): string {
    return this.#pick().toString('latin1')
  }

  words(count: number): string {
    return Array.from({ length: count }, () => this.word()).join(' ')
  }

  /** Sentences and paragraphs of exactly `length` ASCII characters. */
  text(length: number): string {
    const out = Buffer.allocUnsafe(length + 64)
    let at = 0
    let left = this.#sentenceLength()
    let capital = true
    while (at < length) {
      const word = this.#pick()
      for (let index = 0; index < word.length; index++) out[at + index] = word[index] ?? 0
      if (capital) out[at] = (out[at] ?? 0) - 32
      at += word.length
      capital = --left === 0
      if (capital) {
        at += out.write(this.#random.below(5) === 0 ? '.\n\n' : '. ', at, 'latin1')
        left = this.#sentenceLength()
      } else out[at++] = 32
    }
    return out.toString('latin1', 0, length)
  }

  #pick(): Buffer {
    const rank = this.#table[this.#random.uint32() >>> (32 - TABLE_BITS)] ?? 0
    return this.#words[rank] ?? Buffer.alloc(0)
  }

  #sentenceLength(): number {
    return 4 + this.#random.below(16)
  }
}

function makeVocabulary(random: SeededRandom): Buffer[] {
  const words = new Set<string>()
  while (words.size < VOCABULARY) {
    // Frequent words are short, rare ones long, as in every language.
    const syllables = 1 + Math.floor(Math.log10(1 + words.size) / 1.7) + random.below(2)
    let word = ''
    for (let index = 0; index < syllables; index++) {
      word += `${pick(random, ONSETS)}${pick(random, VOWELS)}${pick(random, CODAS)}`
    }
    words.add(word)
  }
  return [...words].map(word => Buffer.from(word, 'latin1'))
}

/** Maps equally likely numbers to ranks, so that drawing a word is one look-up. */
function makeFrequencyTable(words: number): Uint16Array {
  const weights = Array.from({ length: words }, (_, rank) => 1 / (rank + 1) ** STEEPNESS)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const table = new Uint16Array(1 << TABLE_BITS)
  let reached = 0
  let at = 0
  weights.forEach((weight, rank) => {
    reached += weight / total
    const until = Math.min(table.length, Math.round(reached * table.length))
    table.fill(rank, at, until)
    at = until
  })
  return table
}

function pick(random: SeededRandom, list: readonly string[]): string {
  return list[random.below(list.length)] ?? ''
}
