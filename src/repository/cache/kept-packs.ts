import type { Id } from '../../model/node.ts'
import type { Storage } from '../../storage/storage.ts'
import { fileKey } from '../format/file-keys.ts'
import type { Packed } from '../read/ranges.ts'
import type { KeptObjects } from './kept-objects.ts'

/** One tree is asked for alone; where others of the same pack are wanted too, the whole pack comes with one call. */
const ALONE = 1

/** Packs of trees, as they are stored. Their blobs are authenticated and hashed by who opens them, as those of the storage. */
export class KeptPacks {
  readonly #objects: Pick<KeptObjects, 'load' | 'keep' | 'forget'>
  readonly #asked = new Map<Id, number>()
  readonly #loading = new Map<Id, Promise<void>>()

  constructor(objects: Pick<KeptObjects, 'load' | 'keep' | 'forget'>) {
    this.#objects = objects
  }

  /** A blob's bytes. Loads its pack, where this is not the first one of it. */
  async load({ packId, offset, length }: Packed, storage: Storage, signal?: AbortSignal): Promise<Buffer | undefined> {
    const here = this.#objects.load(nameOf(packId), { offset, length })
    if (here) return here
    const asked = this.#asked.get(packId) ?? 0
    this.#asked.set(packId, asked + 1)
    if (asked < ALONE) return undefined
    await this.#fetch(packId, storage, signal)
    return this.#objects.load(nameOf(packId), { offset, length })
  }

  async keep(pack: Id, parts: readonly Uint8Array[]): Promise<void> {
    await this.#objects.keep(nameOf(pack), parts)
  }

  async forget(pack: Id): Promise<void> {
    this.#asked.set(pack, ALONE)
    await this.#objects.forget(nameOf(pack))
  }

  /** Once: where it fails, or cannot be kept, each tree is asked for alone. */
  async #fetch(pack: Id, storage: Storage, signal: AbortSignal | undefined): Promise<void> {
    const known = this.#loading.get(pack)
    const loading =
      known ??
      storage.load(fileKey('pack', pack), { signal }).then(
        bytes => this.keep(pack, [bytes]),
        () => {},
      )
    this.#loading.set(pack, loading)
    await loading
  }
}

function nameOf(pack: Id): string {
  return `pack-${pack}`
}
