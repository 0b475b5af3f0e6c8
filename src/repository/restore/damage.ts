import { printableName } from '../../base/bytes.ts'
import { AppError } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import { shortId } from '../format/file-keys.ts'

export interface LostBlob {
  readonly blob: Id
  /** Undefined when no index names a pack with it. */
  readonly pack?: Id
  readonly reason: string
}

const FILES_IN_CONTEXT = 1000
const BLOBS_A_FILE = 10

/** Which files could not be written whole, and why. */
export class DamageReport {
  readonly #files = new Map<string, LostBlob[]>()

  add(path: string, lost: LostBlob): void {
    const known = this.#files.get(path)
    if (!known) this.#files.set(path, [lost])
    else if (known.length < BLOBS_A_FILE && !known.some(one => one.blob === lost.blob)) known.push(lost)
  }

  /** One `damaged` error for all: the first in words, the others in the context. */
  throwIfAny(): void {
    const [first] = this.#files
    if (!first) return
    const [path, [lost]] = first
    const others = this.#files.size > 1 ? `, and ${this.#files.size - 1} more` : ''
    throw new AppError(
      'damaged',
      `cannot restore ${printableName(path)} whole${others}: ${lost ? inWords(lost) : ''}`,
      {
        hint: 'All the rest was restored. Run "lifeboat check --read-data" to see what is damaged, and restore these files from another snapshot.',
        context: {
          files: [...this.#files].slice(0, FILES_IN_CONTEXT).map(([path, blobs]) => ({ path, blobs })),
          count: this.#files.size,
        },
      },
    )
  }
}

function inWords({ blob, pack, reason }: LostBlob): string {
  const place = pack === undefined ? '' : ` in pack ${shortId(pack)}`
  return `data blob ${shortId(blob)}${place}: ${reason}`
}
