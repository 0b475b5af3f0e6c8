import type { Id } from '../../model/node.ts'
import type { MarkFolder, Marks } from '../marks/mark-folder.ts'
import { MARK_BYTES, markedBytes } from '../marks/marks.ts'
import type { KnownBlobs } from './known-blobs.ts'

const ID_BYTES = 32

/** What a worker needs to mark a slab, and to know what is the same as before. */
export interface MarkOrder {
  readonly key: Uint8Array
  /** One mark is of so many bytes. */
  readonly partBytes: number
  /** The marks that these parts had before; undefined: all of it is hashed. Fewer than there are parts is fine. */
  readonly before: Uint8Array | undefined
}

export interface MarkingParts {
  readonly folder: MarkFolder
  readonly known: KnownBlobs
  readonly blockBytes: number
  readonly before: readonly Id[] | undefined
}

/** The marks of one content while it is written. */
export class Marking {
  readonly #parts: MarkingParts
  readonly #partBytes: number
  readonly #beforeIds: Buffer
  readonly #before: Marks | undefined
  readonly #key: Uint8Array
  readonly #marks: Uint8Array[] = []
  readonly #ids: Buffer[] = []

  /** Looks for the marks of what the content was before. */
  static async begin(parts: MarkingParts): Promise<Marking> {
    const ids = Buffer.from(parts.before?.join('') ?? '', 'hex')
    const whole = ids.length > 0 && ids.length === (parts.before?.length ?? 0) * ID_BYTES
    return new Marking(parts, ids, whole ? await parts.folder.load(ids, parts.blockBytes) : undefined)
  }

  private constructor(parts: MarkingParts, beforeIds: Buffer, before: Marks | undefined) {
    this.#parts = parts
    this.#partBytes = markedBytes(parts.blockBytes)
    this.#beforeIds = beforeIds
    this.#before = before
    this.#key = before?.key ?? parts.folder.newKey()
  }

  /** There is something to compare with. */
  get knowsBefore(): boolean {
    return this.#before !== undefined
  }

  /** For the slab at `position`. Nothing is the same as before where the repository has lost what it was. */
  orderFor(position: number, slabBytes: number): MarkOrder {
    const { blockBytes, known } = this.#parts
    const first = (position / blockBytes) * ID_BYTES
    const ids = this.#beforeIds.subarray(first, first + (slabBytes / blockBytes) * ID_BYTES)
    const at = (position / this.#partBytes) * MARK_BYTES
    const before = this.#before?.bytes.subarray(at, at + (slabBytes / this.#partBytes) * MARK_BYTES)
    const usable = before !== undefined && before.length > 0 && known.hasEach('data', ids)
    // A copy, for a view would take all marks along to the other thread.
    return { key: this.#key, partBytes: this.#partBytes, before: usable ? Uint8Array.from(before) : undefined }
  }

  /** The id of the block at `index` before. */
  idBefore(index: number): Id {
    return this.#parts.before?.[index] ?? ''
  }

  /** Slabs in the order of the content. Fills in the digests of blocks that are the same as before. */
  take(digests: Buffer, marks: Uint8Array, same: Uint8Array, firstBlock: number): void {
    for (const [i, isSame] of same.entries()) {
      const at = (firstBlock + i) * ID_BYTES
      if (isSame === 1) this.#beforeIds.copy(digests, i * ID_BYTES, at, at + ID_BYTES)
    }
    this.#ids.push(digests)
    this.#marks.push(marks)
  }

  /** Keeps the marks for the next time. */
  async end(): Promise<void> {
    const { folder, blockBytes } = this.#parts
    const marks = { key: this.#key, bytes: Buffer.concat(this.#marks) }
    await folder.save(Buffer.concat(this.#ids), blockBytes, marks)
  }
}
