import type { Id } from '../../model/node.ts'
import { walkPackEntries } from '../format/pack-header.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { BlobType } from '../repository.ts'

const ID_BYTES = 32

/** Which blobs need not be stored: those in the index, and those that this writing has under way. */
export class KnownBlobs {
  readonly #index: BlobIndex
  // Until the index file that names them is stored. Raw bytes as one-byte strings: half of hex, and quick to make.
  readonly #underWay = { data: new Set<string>(), tree: new Set<string>() }

  constructor(index: BlobIndex) {
    this.#index = index
  }

  /** True for the first one to ask; it then has to store the blob. */
  claim(type: BlobType, ids: Buffer, offset: number): boolean {
    if (this.#index.hasBytes(type, ids, offset)) return false
    const set = this.#underWay[type]
    const before = set.size
    set.add(ids.toString('latin1', offset, offset + ID_BYTES))
    return set.size > before
  }

  hasAll(type: BlobType, ids: readonly Id[]): boolean {
    const bytes = Buffer.from(ids.join(''), 'hex')
    if (bytes.length !== ids.length * ID_BYTES) return false
    const set = this.#underWay[type]
    for (let at = 0; at < bytes.length; at += ID_BYTES) {
      if (!this.#index.hasBytes(type, bytes, at) && !set.has(bytes.toString('latin1', at, at + ID_BYTES))) return false
    }
    return true
  }

  /** They are in the index now. */
  forget(packs: readonly Uint8Array[]): void {
    for (const entries of packs) {
      const bytes = Buffer.from(entries.buffer, entries.byteOffset, entries.byteLength)
      walkPackEntries(bytes, (idAt, isTree) => {
        this.#underWay[isTree ? 'tree' : 'data'].delete(bytes.toString('latin1', idAt, idAt + ID_BYTES))
      })
    }
  }
}
