import type { Id } from '../../model/node.ts'
import type { IndexedPack } from '../format/index-file.ts'
import { type PackedBlob, walkPackEntries } from '../format/pack-header.ts'

/**
 * Index entries as 12 words each: the id's 8 words, `pack number * 2 + (1 for a tree)`, offset, length, plaintext length
 * (0 when stored as it is). Words are in the machine's byte order; the cache never leaves the machine.
 */
export const ENTRY_WORDS = 12
export const ENTRY_BYTES = ENTRY_WORDS * 4
const ID_WORDS = 8
export const PACK_WORD = 8
export const OFFSET_WORD = 9
export const LENGTH_WORD = 10
export const PLAIN_WORD = 11

/** Entries sorted by the id's words; bucket `b` of the first word's top `bits` bits is `[starts[b], starts[b + 1])`. */
export interface SortedEntries {
  readonly words: Uint32Array
  readonly starts: Uint32Array
  readonly bits: number
}

/** Collects the entries of any number of packs before they are sorted. */
export class EntryCollector {
  #words = new Uint32Array(ENTRY_WORDS * 1024)
  readonly #packs: Buffer[] = []
  count = 0

  get packIds(): Buffer {
    return Buffer.concat(this.#packs)
  }

  addPack(pack: IndexedPack): void {
    const packNumber = this.#packs.push(Buffer.from(pack.id, 'hex')) - 1
    const id = Buffer.allocUnsafe(32)
    for (const blob of pack.blobs) this.#addBlob(packNumber, blob, id)
  }

  /** The same from a pack header's plaintext. */
  addPackEntries(packId: Id, entries: Uint8Array): void {
    const packNumber = this.#packs.push(Buffer.from(packId, 'hex')) - 1
    const bytes = Buffer.from(entries.buffer, entries.byteOffset, entries.byteLength)
    walkPackEntries(bytes, (idAt, isTree, offset, length, plainLength) => {
      const at = this.#reserve(1)
      readWords(bytes, idAt, this.#words, at)
      this.#words[at + PACK_WORD] = packNumber * 2 + (isTree ? 1 : 0)
      this.#words[at + OFFSET_WORD] = offset
      this.#words[at + LENGTH_WORD] = length
      this.#words[at + PLAIN_WORD] = plainLength
    })
  }

  /** Entries sorted before, whose packs get new numbers here. */
  addSorted(words: Uint32Array, packIds: Buffer): void {
    const first = this.#packs.length
    for (let at = 0; at < packIds.length; at += 32) this.#packs.push(packIds.subarray(at, at + 32))
    const start = this.#reserve(words.length / ENTRY_WORDS)
    this.#words.set(words, start)
    const end = start + words.length
    for (let at = start + PACK_WORD; at < end; at += ENTRY_WORDS) this.#words[at] = (this.#words[at] ?? 0) + first * 2
  }

  sort(): SortedEntries {
    return sortEntries(this.#words.subarray(0, this.count * ENTRY_WORDS))
  }

  #addBlob(packNumber: number, blob: PackedBlob, id: Buffer): void {
    const at = this.#reserve(1)
    id.write(blob.id, 'hex')
    readWords(id, 0, this.#words, at)
    this.#words[at + PACK_WORD] = packNumber * 2 + (blob.type === 'tree' ? 1 : 0)
    this.#words[at + OFFSET_WORD] = blob.offset
    this.#words[at + LENGTH_WORD] = blob.length
    this.#words[at + PLAIN_WORD] = blob.uncompressedLength ?? 0
  }

  #reserve(entries: number): number {
    const start = this.count * ENTRY_WORDS
    const end = start + entries * ENTRY_WORDS
    if (end > this.#words.length) {
      const grown = new Uint32Array(Math.max(end, this.#words.length * 2))
      grown.set(this.#words.subarray(0, start))
      this.#words = grown
    }
    this.count += entries
    return start
  }
}

/** The 32 bytes of an id as words, in one byte order on every machine so that lookups agree with what was stored. */
export function readWords(bytes: Buffer, offset: number, into: Uint32Array, at: number): void {
  for (let i = 0; i < ID_WORDS; i++) into[at + i] = bytes.readUInt32LE(offset + i * 4)
}

const ENTRIES_A_BUCKET = 4
const MAX_BITS = 24

/** A counting sort into buckets, then an insertion sort in each. Ids are hashes, so buckets are even. */
function sortEntries(words: Uint32Array): SortedEntries {
  const count = words.length / ENTRY_WORDS
  const bits = Math.min(MAX_BITS, Math.max(0, Math.ceil(Math.log2(count / ENTRIES_A_BUCKET + 1))))
  const starts = new Uint32Array(2 ** bits + 1)
  for (let at = 0; at < words.length; at += ENTRY_WORDS) {
    const bucket = bucketOf(words[at] ?? 0, bits) + 1
    starts[bucket] = (starts[bucket] ?? 0) + 1
  }
  for (let b = 1; b < starts.length; b++) starts[b] = (starts[b] ?? 0) + (starts[b - 1] ?? 0)
  const sorted = new Uint32Array(words.length)
  const filled = starts.slice()
  for (let at = 0; at < words.length; at += ENTRY_WORDS) {
    const bucket = bucketOf(words[at] ?? 0, bits)
    insert(sorted, starts[bucket] ?? 0, filled[bucket] ?? 0, words, at)
    filled[bucket] = (filled[bucket] ?? 0) + 1
  }
  return { words: sorted, starts, bits }
}

export function bucketOf(firstWord: number, bits: number): number {
  return bits === 0 ? 0 : firstWord >>> (32 - bits)
}

function insert(sorted: Uint32Array, first: number, end: number, words: Uint32Array, from: number): void {
  let slot = end
  while (slot > first && compareIds(sorted, (slot - 1) * ENTRY_WORDS, words, from) > 0) slot--
  if (slot < end) sorted.copyWithin((slot + 1) * ENTRY_WORDS, slot * ENTRY_WORDS, end * ENTRY_WORDS)
  for (let i = 0; i < ENTRY_WORDS; i++) sorted[slot * ENTRY_WORDS + i] = words[from + i] ?? 0
}

export function compareIds(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number): number {
  for (let i = 0; i < ID_WORDS; i++) {
    const difference = (a[aAt + i] ?? 0) - (b[bAt + i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
