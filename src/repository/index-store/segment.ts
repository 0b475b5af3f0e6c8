import { readSync } from 'node:fs'
import { AppError } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import type { BlobType } from '../contract/blob.ts'
import type { PackedBlob } from '../format/pack-header.ts'
import {
  bucketOf,
  compareIds,
  ENTRY_BYTES,
  ENTRY_WORDS,
  LENGTH_WORD,
  OFFSET_WORD,
  PACK_WORD,
  PLAIN_WORD,
} from './entries.ts'

/** Where a blob lies. */
export interface BlobLocation extends PackedBlob {
  readonly packId: Id
}

/** The entries of some index files, sorted; in memory, or in an open file of which only the bucket table is in memory. */
export interface SegmentContent {
  readonly indexIds: readonly Id[]
  /** 32 bytes each, by number. */
  readonly packIds: Buffer
  readonly starts: Uint32Array
  readonly bits: number
  readonly count: number
  readonly entries: Uint32Array | { readonly fd: number; readonly offset: number }
}

export class Segment {
  readonly content: SegmentContent
  /** Made once each: a restore keeps a place for every block, and all blocks of a pack name it. */
  readonly #packIds: Id[] = []
  #scratch = new Uint32Array(ENTRY_WORDS * 64)

  constructor(content: SegmentContent) {
    this.content = content
  }

  get inMemory(): boolean {
    return this.content.entries instanceof Uint32Array
  }

  /** `id` holds the id's eight words at `at`. */
  has(type: BlobType, id: Uint32Array, at: number): boolean {
    return this.#search(type, id, at, () => true)
  }

  /** `words` are the id's. */
  findAll(type: BlobType, id: Id, words: Uint32Array): BlobLocation[] {
    const found: BlobLocation[] = []
    this.#search(type, words, 0, (entries, entry) => {
      found.push(this.#location(entries, entry, id))
      return false
    })
    return found
  }

  /** `words` are the id's. */
  find(type: BlobType, id: Id, words: Uint32Array): BlobLocation | undefined {
    let found: BlobLocation | undefined
    this.#search(type, words, 0, (entries, entry) => {
      found = this.#location(entries, entry, id)
      return true
    })
    return found
  }

  *locations(): Generator<BlobLocation> {
    const step = 4096
    for (let first = 0; first < this.content.count; first += step) {
      const last = Math.min(first + step, this.content.count)
      // A copy: the caller may look something up between two values.
      const words = this.#read(first, last).slice()
      for (let at = 0; at < words.length; at += ENTRY_WORDS) yield this.#location(words, at, idOf(words, at))
    }
  }

  /** All entries, for a merge. */
  allWords(): Uint32Array {
    return this.#read(0, this.content.count)
  }

  #search(type: BlobType, id: Uint32Array, at: number, visit: (words: Uint32Array, entry: number) => boolean): boolean {
    const { starts, bits, entries } = this.content
    const bucket = bucketOf(id[at] ?? 0, bits)
    const first = starts[bucket] ?? 0
    const last = starts[bucket + 1] ?? 0
    if (first === last) return false
    const memory = entries instanceof Uint32Array
    const words = memory ? entries : this.#read(first, last)
    const base = memory ? first * ENTRY_WORDS : 0
    const end = base + (last - first) * ENTRY_WORDS
    const tree = type === 'tree' ? 1 : 0
    for (let entry = base; entry < end; entry += ENTRY_WORDS) {
      if (words[entry] !== id[at] || compareIds(words, entry, id, at) !== 0) continue
      if (((words[entry + PACK_WORD] ?? 0) & 1) === tree && visit(words, entry)) return true
    }
    return false
  }

  #read(first: number, last: number): Uint32Array {
    const { entries } = this.content
    if (entries instanceof Uint32Array) return entries.subarray(first * ENTRY_WORDS, last * ENTRY_WORDS)
    const length = (last - first) * ENTRY_WORDS
    if (this.#scratch.length < length) this.#scratch = new Uint32Array(length)
    const words = this.#scratch.subarray(0, length)
    const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
    let done = 0
    while (done < bytes.length) {
      const read = readSync(entries.fd, bytes, done, bytes.length - done, entries.offset + first * ENTRY_BYTES + done)
      if (read === 0) throw cutCache()
      done += read
    }
    return words
  }

  #location(words: Uint32Array, entry: number, id: Id): BlobLocation {
    const pack = words[entry + PACK_WORD] ?? 0
    return {
      type: pack & 1 ? 'tree' : 'data',
      id,
      packId: this.#packId(pack >>> 1),
      offset: words[entry + OFFSET_WORD] ?? 0,
      length: words[entry + LENGTH_WORD] ?? 0,
      uncompressedLength: words[entry + PLAIN_WORD] || undefined,
    }
  }

  #packId(number: number): Id {
    const known = this.#packIds[number]
    if (known !== undefined) return known
    const made = this.content.packIds.toString('hex', number * 32, number * 32 + 32)
    this.#packIds[number] = made
    return made
  }
}

function idOf(words: Uint32Array, entry: number): Id {
  const id = Buffer.allocUnsafe(32)
  for (let i = 0; i < 8; i++) id.writeUInt32LE(words[entry + i] ?? 0, i * 4)
  return id.toString('hex')
}

function cutCache(): AppError {
  return new AppError('failed', 'the local index cache was cut while in use', {
    hint: 'Run the command again: the cache is then built anew.',
  })
}
