import type { BlobType } from '../repository.ts'
import { type FinishedPack, PACK_BYTES, PackBuilder, type PackingTools } from './pack-builder.ts'
import type { Slot } from './slots.ts'

/** Runs in a worker: compresses and seals blobs into the packs that this worker has begun for a writing. */
export interface StoreJob extends NewBlobs {
  readonly writing: number
  readonly type: BlobType
  readonly slab: Uint8Array
  /** The slab is one blob that is compressed already, and holds so much. */
  readonly plainBytes?: number | undefined
}

/** As `StoreJob`, of what was read into a slot of this worker. */
export interface StoreSlotJob extends NewBlobs {
  readonly slot: Slot
}

export interface NewBlobs {
  /** Start and end in the slab of each blob. */
  readonly ranges: Uint32Array
  /** 32 bytes a blob. */
  readonly ids: Uint8Array
}

export interface StoreOutcome {
  readonly slab: Uint8Array
  /** Packs that are full now, ready to be saved. */
  readonly packs: readonly FinishedPack[]
}

/** One is filled, one is stored, one waits: more of 4 MiB would only lie about. */
const MAX_SPARES = 1

/** The packs under way in one worker: by writing, and data apart from trees, as the format demands. */
export class PackBuilders {
  readonly #tools: PackingTools
  readonly #builders = new Map<string, PackBuilder>()
  readonly #spares: Uint8Array[] = []

  constructor(tools: PackingTools) {
    this.#tools = tools
  }

  store({ writing, type, slab, ranges, ids, plainBytes }: StoreJob): StoreOutcome {
    const builder = this.#builder(writing, type)
    const packs: FinishedPack[] = []
    for (let i = 0; i < ranges.length / 2; i++) {
      const bytes = slab.subarray(ranges[i * 2], ranges[i * 2 + 1])
      const id = ids.subarray(i * 32, i * 32 + 32)
      const full = plainBytes === undefined ? builder.add(bytes, id) : builder.append(bytes, id, plainBytes)
      if (full) packs.push(full)
    }
    return { slab, packs }
  }

  finish(writing: number): FinishedPack[] {
    const packs: FinishedPack[] = []
    for (const type of ['data', 'tree'] as const) {
      const pack = this.#builders.get(key(writing, type))?.finish()
      if (pack) packs.push(pack)
    }
    this.drop(writing)
    return packs
  }

  drop(writing: number): void {
    this.#builders.delete(key(writing, 'data'))
    this.#builders.delete(key(writing, 'tree'))
  }

  /** Takes the memory of a pack that was made here and is stored now, for the next one. */
  recycle(body: Uint8Array): undefined {
    if (this.#spares.length < MAX_SPARES && body.length <= PACK_BYTES) this.#spares.push(body)
  }

  #builder(writing: number, type: BlobType): PackBuilder {
    const known = this.#builders.get(key(writing, type))
    if (known) return known
    const made = new PackBuilder(type, this.#tools, () => this.#spares.pop())
    this.#builders.set(key(writing, type), made)
    return made
  }
}

function key(writing: number, type: BlobType): string {
  return `${writing} ${type}`
}
