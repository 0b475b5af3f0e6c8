import { AppError } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import type { BlobType } from '../contract/blob.ts'
import { walkPackEntries } from '../format/pack-header.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'

const ID_BYTES = 32

/** Which blobs need not be stored: those in the index, and those that this writing has under way. */
export class KnownBlobs {
  readonly #index: BlobIndex
  // Until the index file that names them is stored. Raw bytes as one-byte strings: half of hex, and quick to make.
  readonly #underWay = { data: new Set<string>(), tree: new Set<string>() }

  /** In the index, but nothing can be read from where it says. */
  readonly #lost = { data: new Set<string>(), tree: new Set<string>() }

  // What was found in the index while the lock was not certain yet.
  #reused: Array<{ readonly type: BlobType; readonly id: Buffer }> | undefined = []

  constructor(index: BlobIndex) {
    this.#index = index
  }

  /** True for the first one to ask; it then has to store the blob. */
  claim(type: BlobType, ids: Buffer, offset: number): boolean {
    if (this.#isIndexed(type, ids, offset)) return false
    const set = this.#underWay[type]
    const before = set.size
    const key = ids.toString('latin1', offset, offset + ID_BYTES)
    set.add(key)
    this.#lost[type].delete(key)
    return set.size > before
  }

  /** These are stored anew by the first one to ask. */
  distrust(lost: Record<BlobType, Set<string>>): void {
    for (const type of ['data', 'tree'] as const) for (const key of lost[type]) this.#lost[type].add(key)
  }

  hasAll(type: BlobType, ids: readonly Id[]): boolean {
    const bytes = Buffer.from(ids.join(''), 'hex')
    if (bytes.length !== ids.length * ID_BYTES) return false
    return this.hasEach(type, bytes)
  }

  /** As `hasAll`, for ids of 32 bytes one after the other. */
  hasEach(type: BlobType, ids: Buffer): boolean {
    const set = this.#underWay[type]
    for (let at = 0; at < ids.length; at += ID_BYTES) {
      if (!this.#isIndexed(type, ids, at) && !set.has(ids.toString('latin1', at, at + ID_BYTES))) return false
    }
    return true
  }

  /** Throws when something that was found in the index is gone from it: nodes may name it by now. */
  recheck(): void {
    for (const { type, id } of this.#reused ?? []) {
      if (this.#index.hasBytes(type, id, 0)) continue
      throw new AppError('repository-locked', 'the repository was pruned just while this backup began', {
        hint: 'Run the command again.',
      })
    }
  }

  /** The lock is certain: what is in the index stays. */
  trustIndex(): void {
    this.#reused = undefined
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

  #isIndexed(type: BlobType, ids: Buffer, offset: number): boolean {
    const lost = this.#lost[type]
    if (lost.size > 0 && lost.has(ids.toString('latin1', offset, offset + ID_BYTES))) return false
    const found = this.#index.hasBytes(type, ids, offset)
    if (found) this.#reused?.push({ type, id: Buffer.from(ids.subarray(offset, offset + ID_BYTES)) })
    return found
  }
}
