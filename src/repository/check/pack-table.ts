import type { Id } from '../../model/node.ts'
import { entryBytes, HEADER_LENGTH_BYTES, SEAL_BYTES } from '../format/pack-header.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import { IdTable } from '../read/id-table.ts'

/** What the index says of each pack, in columns by the pack's number. */
export class PackTable {
  readonly packs = new IdTable()
  readonly #blobs: number[] = []
  readonly #sealedBytes: number[] = []
  readonly #headerBytes: number[] = []
  blobs = 0
  /** Copies beyond the first of a blob. */
  duplicates = 0
  duplicateBytes = 0

  /** @param seen filled with all blobs, to count duplicates by; without, there are none */
  constructor(index: Pick<BlobIndex, 'locations'>, seen?: { readonly data: IdTable; readonly tree: IdTable }) {
    for (const { packId, type, id, length, uncompressedLength } of index.locations()) {
      const pack = this.packs.add(packId)
      this.#blobs[pack] = (this.#blobs[pack] ?? 0) + 1
      this.#sealedBytes[pack] = (this.#sealedBytes[pack] ?? 0) + length
      this.#headerBytes[pack] = (this.#headerBytes[pack] ?? 0) + entryBytes(uncompressedLength)
      this.blobs++
      const distinct = seen?.[type].size
      if (seen === undefined || seen[type].add(id) === distinct) continue
      this.duplicates++
      this.duplicateBytes += length
    }
  }

  *ids(): Generator<Id> {
    for (let pack = 0; pack < this.packs.size; pack++) yield this.packs.idAt(pack)
  }

  blobsOf(pack: Id): number {
    return this.#blobs[this.packs.find(pack)] ?? 0
  }

  /** Sealed header and its length, at the end of the pack. */
  tailBytesOf(pack: Id): number {
    return (this.#headerBytes[this.packs.find(pack)] ?? 0) + SEAL_BYTES + HEADER_LENGTH_BYTES
  }

  /** What the file's size must be. */
  sizeOf(pack: Id): number {
    return (this.#sealedBytes[this.packs.find(pack)] ?? 0) + this.tailBytesOf(pack)
  }
}
