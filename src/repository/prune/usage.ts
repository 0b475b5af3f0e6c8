import type { Id } from '../../model/node.ts'
import type { BlobType } from '../contract/blob.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { BlobLocation } from '../index-store/segment.ts'
import { isUncompressed } from '../pack/repack-job.ts'
import { IdTable } from '../read/id-table.ts'
import type { PackUse } from './plan.ts'

/** What snapshots need. */
export interface UsedBlobs {
  readonly trees: IdTable
  readonly data: IdTable
}

interface Tally {
  type: PackUse['type']
  used: number
  usedBytes: number
  /** Needed, but another pack has it too. */
  duplicates: number
  duplicateBytes: number
  unused: number
  unusedBytes: number
  uncompressed: boolean
  shared: boolean
}

/**
 * Which pack each needed blob is to be taken from, and so what each pack is good for. Of several copies one is chosen:
 * in a pack that is needed anyway, or that holds nothing but needed blobs, as those that an interrupted prune wrote.
 */
export class PackUsage {
  readonly packs = new IdTable()
  readonly #used: UsedBlobs
  /** What snapshots need that came later is not chosen from anywhere. */
  readonly #counts: { readonly trees: number; readonly data: number }
  readonly #tallies: Tally[] = []
  /** By number of a needed blob: how many copies there are (at most 255), then how many were not decided on yet. */
  readonly #copies: Uint8Array
  /** By number of a needed blob: number of the pack it is taken from, plus one. */
  readonly #chosen: Uint32Array

  constructor(used: UsedBlobs, index: Pick<BlobIndex, 'locations'>) {
    this.#used = used
    this.#counts = { trees: used.trees.size, data: used.data.size }
    this.#copies = new Uint8Array(used.trees.size + used.data.size)
    this.#chosen = new Uint32Array(used.trees.size + used.data.size)
    for (const { type, id } of index.locations()) {
      const number = this.#numberOf(type, id)
      const copies = this.#copies[number] ?? 0
      if (number >= 0 && copies < 255) this.#copies[number] = copies + 1
    }
    for (const location of index.locations()) this.#count(location)
    for (const location of index.locations()) this.#chooseCopy(location)
  }

  /** @param headerBytes of a pack, sealed header and its length */
  *packUses(headerBytes: (pack: Id) => number): Generator<PackUse> {
    for (const [number, tally] of this.#tallies.entries()) {
      const id = this.packs.idAt(number)
      yield {
        id,
        type: tally.type,
        usedBlobs: tally.used,
        usedBytes: tally.usedBytes + headerBytes(id),
        unusedBlobs: tally.unused + tally.duplicates,
        unusedBytes: tally.unusedBytes + tally.duplicateBytes,
        duplicates: tally.duplicates,
        uncompressed: tally.uncompressed,
        shared: tally.shared,
      }
    }
  }

  /** Is this the copy that is kept? */
  isChosen(pack: Id, type: BlobType, id: Id): boolean {
    const number = this.#numberOf(type, id)
    return number >= 0 && this.#chosen[number] === this.packs.find(pack) + 1
  }

  /** -1 when nothing needs it. */
  #numberOf(type: BlobType, id: Id): number {
    const { trees, data } = this.#counts
    const number = this.#used[type === 'tree' ? 'trees' : 'data'].find(id)
    if (number < 0 || number >= (type === 'tree' ? trees : data)) return -1
    return type === 'tree' ? number : trees + number
  }

  #count({ packId, type, id, length, uncompressedLength }: BlobLocation): void {
    const pack = this.packs.add(packId)
    const tally = (this.#tallies[pack] ??= emptyTally(type))
    if (tally.type !== type) tally.type = 'mixed'
    if (isUncompressed({ length, uncompressedLength })) tally.uncompressed = true
    const number = this.#numberOf(type, id)
    if (number < 0) {
      tally.unused++
      tally.unusedBytes += length
    } else if (this.#copies[number] === 1) {
      this.#choose(number, pack, tally, length)
    } else {
      tally.duplicates++
      tally.duplicateBytes += length
    }
  }

  #chooseCopy({ packId, type, id, length }: BlobLocation): void {
    const number = this.#numberOf(type, id)
    if (number < 0 || (this.#chosen[number] ?? 0) > 0) return
    const pack = this.packs.find(packId)
    const tally = this.#tallies[pack]
    if (!tally) return
    const left = (this.#copies[number] ?? 1) - 1
    this.#copies[number] = left
    if (left > 0 && tally.used === 0 && tally.unused > 0) return
    tally.shared = true
    tally.duplicates--
    tally.duplicateBytes -= length
    this.#choose(number, pack, tally, length)
  }

  #choose(number: number, pack: number, tally: Tally, length: number): void {
    this.#chosen[number] = pack + 1
    tally.used++
    tally.usedBytes += length
  }
}

function emptyTally(type: BlobType): Tally {
  return {
    type,
    used: 0,
    usedBytes: 0,
    duplicates: 0,
    duplicateBytes: 0,
    unused: 0,
    unusedBytes: 0,
    uncompressed: false,
    shared: false,
  }
}
