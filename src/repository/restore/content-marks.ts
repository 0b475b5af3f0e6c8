import type { MarkFolder, Marks } from '../marks/mark-folder.ts'
import { MARK_BYTES, MARKED_FROM_BYTES, markedBytes } from '../marks/marks.ts'
import { firstStretchAt, type PartMarks } from './compare-job.ts'
import type { Piece } from './pieces.ts'
import type { Target } from './target.ts'

/**
 * Marks that contents got when they were backed up from this machine: bytes that have them are those bytes, and need no
 * SHA-256. See docs/decisions/marks.md.
 */
export class ContentMarks {
  readonly #folder: Pick<MarkFolder, 'load'> | undefined
  readonly #known = new WeakMap<Target, Promise<Marks | undefined>>()

  constructor(folder: Pick<MarkFolder, 'load'> | undefined) {
    this.#folder = folder
  }

  /** For pieces that follow each other in one file; undefined where nothing is known of it. */
  async of(run: readonly Piece[]): Promise<PartMarks | undefined> {
    const [first] = run
    if (first === undefined || first.target.sizeBytes < MARKED_FROM_BYTES) return undefined
    // Marks are of fixed blocks: in contents with others, this is the size of some piece and finds none.
    const blockBytes = first.length
    const marks = await this.#load(first.target, blockBytes)
    if (marks === undefined) return undefined
    const stretchBytes = markedBytes(blockBytes)
    const end = run.reduce((offset, piece) => offset + piece.length, first.offset)
    const from = firstStretchAt(first.offset, stretchBytes) / stretchBytes
    const bytes = marks.bytes.subarray(from * MARK_BYTES, Math.floor(end / stretchBytes) * MARK_BYTES)
    // A copy, for a view would take all marks along to the other thread.
    return { key: Uint8Array.from(marks.key), stretchBytes, bytes: Uint8Array.from(bytes) }
  }

  #load(target: Target, blockBytes: number): Promise<Marks | undefined> {
    const known = this.#known.get(target)
    if (known) return known
    const loading = this.#folder?.load(Buffer.from(target.content.join(''), 'hex'), blockBytes)
    const marks = loading ?? Promise.resolve(undefined)
    this.#known.set(target, marks)
    return marks
  }
}
