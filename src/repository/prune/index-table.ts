import type { Id } from '../../model/node.ts'
import type { PackSize } from '../index-store/blob-index.ts'
import { BitSet, IdTable } from '../read/id-table.ts'

interface IndexFile {
  /** Numbers in `#packs`. */
  readonly packs: Uint32Array
  readonly blobs: number
}

/** Which index file names which packs. */
export class IndexTable {
  readonly #packs = new IdTable()
  readonly #files = new Map<Id, IndexFile>()

  add(id: Id, packs: readonly PackSize[]): void {
    const numbers = Uint32Array.from(packs, pack => this.#packs.add(pack.id))
    this.#files.set(id, { packs: numbers, blobs: packs.reduce((sum, { blobs }) => sum + blobs, 0) })
  }

  remove(id: Id): void {
    this.#files.delete(id)
  }

  /** Files that name one of these packs, or none at all. */
  listNaming(packs: ReadonlySet<Id>): Id[] {
    const wanted = new BitSet()
    for (const id of packs) {
      const number = this.#packs.find(id)
      if (number >= 0) wanted.add(number)
    }
    const names = ({ packs: named }: IndexFile): boolean => named.length === 0 || named.some(pack => wanted.has(pack))
    return [...this.#files].filter(([, file]) => names(file)).map(([id]) => id)
  }

  /** Files of fewer blobs. */
  listSmall(blobs: number): Id[] {
    return [...this.#files].filter(([, file]) => file.blobs < blobs).map(([id]) => id)
  }

  /** Is a pack named by any file but these? */
  namedWithout(files: ReadonlySet<Id>): (pack: Id) => boolean {
    const named = new BitSet()
    for (const [id, file] of this.#files) if (!files.has(id)) for (const pack of file.packs) named.add(pack)
    return pack => {
      const number = this.#packs.find(pack)
      return number >= 0 && named.has(number)
    }
  }

  *packsOf(file: Id): Generator<Id> {
    for (const number of this.#files.get(file)?.packs ?? []) yield this.#packs.idAt(number)
  }
}
