import type { Lsn } from '../log/wal.ts'
import { isNewPage, PAGE_BYTES, pageChecksum, pageLsn, storedChecksum } from './page-checksum.ts'

const PAGE_WORDS = PAGE_BYTES / 4
/** A page that the server is writing just now reads as whole soon; one that never does is damaged. */
const REREADS = 3
/** So many damaged blocks of one file are named; the rest are counted. */
const NAMED_BLOCKS = 10

export interface PageDamage {
  readonly path: string
  readonly blocks: readonly number[]
  readonly count: number
}

/** A page whose checksum is wrong and whose position says "written during this backup": true only up to the backup's end. */
interface Suspect {
  readonly path: string
  readonly block: number
  readonly lsn: Lsn
}

const SUSPECTS_KEPT = 1000

/** Verifies the pages of a backup's relation files as they pass. */
export class PageVerifier {
  readonly #startLsn: Lsn
  readonly #damage = new Map<string, { blocks: number[]; count: number }>()
  readonly #suspects: Suspect[] = []
  #aligned: Int32Array | undefined

  /** @param startLsn Pages changed at or after it are brought in order by recovery, whatever they hold now. */
  constructor(startLsn: Lsn) {
    this.#startLsn = startLsn
  }

  /**
   * Verifies whole pages, the first being block `firstBlock` of its relation. A page that was torn by a concurrent write
   * is read again into `pages`; what stays wrong is recorded.
   */
  async verify(
    pages: Uint8Array,
    place: { readonly path: string; readonly firstBlock: number },
    reread: (page: Uint8Array, pageNumber: number) => Promise<boolean>,
  ): Promise<void> {
    for (const page of this.#listWrong(pages, place.firstBlock)) {
      const bytes = pages.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)
      await this.#settle(bytes, { path: place.path, block: place.firstBlock + page }, () => reread(bytes, page))
    }
  }

  /** All damage, once the backup's end is known. */
  listDamage(stopLsn: Lsn): PageDamage[] {
    for (const suspect of this.#suspects) if (suspect.lsn > stopLsn) this.#record(suspect)
    this.#suspects.length = 0
    return [...this.#damage].map(([path, { blocks, count }]) => ({ path, blocks, count }))
  }

  #listWrong(pages: Uint8Array, firstBlock: number): number[] {
    const words = this.#wordsOf(pages)
    const wrong: number[] = []
    for (let page = 0, at = 0; at < words.length; page++, at += PAGE_WORDS) {
      if (isNewPage(words, at)) continue
      if (pageChecksum(words, at, firstBlock + page) !== storedChecksum(words, at)) wrong.push(page)
    }
    return wrong
  }

  async #settle(
    bytes: Uint8Array,
    place: { readonly path: string; readonly block: number },
    reread: () => Promise<boolean>,
  ): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const words = this.#wordsOf(bytes)
      if (isNewPage(words, 0) || pageChecksum(words, 0, place.block) === storedChecksum(words, 0)) return
      const lsn = pageLsn(words, 0)
      if (lsn >= this.#startLsn) return this.#suspect({ ...place, lsn })
      // A file that became shorter meanwhile: recovery truncates it too.
      if (attempt === REREADS) return this.#record(place)
      if (!(await reread())) return
    }
  }

  #suspect(suspect: Suspect): void {
    if (this.#suspects.length < SUSPECTS_KEPT) this.#suspects.push(suspect)
  }

  #record({ path, block }: { readonly path: string; readonly block: number }): void {
    const known = this.#damage.get(path) ?? { blocks: [], count: 0 }
    known.count++
    if (known.blocks.length < NAMED_BLOCKS) known.blocks.push(block)
    this.#damage.set(path, known)
  }

  /** A view of the bytes as words; a copy where they are not aligned for one. Valid until the next call. */
  #wordsOf(bytes: Uint8Array): Int32Array {
    if (bytes.byteOffset % 4 === 0) return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
    if (this.#aligned === undefined || this.#aligned.length * 4 < bytes.length) {
      this.#aligned = new Int32Array(bytes.length / 4)
    }
    const words = this.#aligned.subarray(0, bytes.length / 4)
    new Uint8Array(words.buffer, 0, bytes.length).set(bytes)
    return words
  }
}
