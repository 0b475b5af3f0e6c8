import { isAppError } from '../../base/errors.ts'
import type { KeyMaterial } from '../format/key-file.ts'
import { type PackedBlob, SEAL_BYTES } from '../format/pack-header.ts'
import { rowOf, tableSize, toBlobTable } from '../read/blob-table.ts'
import { loadBlob } from '../read/load-blob.ts'
import type { Reader, ReadingWorkers } from '../read/reader.ts'
import { RecycledMemory } from '../read/recycled-memory.ts'
import type { WorkerPool } from '../workers/pool.ts'
import { BlobSealer, type SealingTools } from './blob-sealer.ts'
import type { PackWriter } from './pack-writer.ts'

/** Jobs that moving needs. */
export type RepackingWorkers = ReadingWorkers & Pick<WorkerPool, 'repack'>

export interface MovingParts {
  /** Where the blobs come from. */
  readonly from: Reader
  /** Keys of that repository, if it is another one. */
  readonly fromKeys: KeyMaterial | undefined
  /** The repository that they go to. */
  readonly tools: SealingTools
  readonly workers: RepackingWorkers
  readonly packs: PackWriter
  readonly signal: AbortSignal
}

export interface Moved {
  readonly lost: readonly PackedBlob[]
  readonly memory: Uint8Array
}

/**
 * Brings blobs from packs into new packs, each opened and checked before: neither pruning nor copying must spread damage.
 */
export class BlobMover {
  readonly #parts: MovingParts
  readonly #memory: RecycledMemory

  constructor(parts: MovingParts) {
    this.#parts = parts
    this.#memory = new RecycledMemory(parts.workers.size * 2)
  }

  /**
   * Gives back those that are lost, for no pack has them whole, and the memory of the bytes.
   * @param bytes some bytes of one pack, in memory of their own, which is given away
   * @param start where in the pack they begin
   */
  async move(bytes: Uint8Array, start: number, wanted: readonly PackedBlob[]): Promise<Moved> {
    const lost: PackedBlob[] = []
    let loaded = bytes
    for (const type of ['tree', 'data'] as const) {
      const ofType = wanted.filter(blob => blob.type === type)
      const blobs = toBlobTable(type, ofType, start)
      if (tableSize(blobs) === 0) continue
      const { packs, workers, fromKeys } = this.#parts
      await packs.ready()
      const into = this.#memory.take(ofType.reduce((sum, { length }) => sum + length, 0))
      const outcome = await workers.repack({ bytes: loaded, blobs, from: fromKeys, into })
      loaded = outcome.bytes
      await packs.add(type, outcome.sealed)
      this.#memory.give(outcome.sealed.bytes)
      for (const at of outcome.damaged) {
        const blob = rowOf(blobs, at)
        if (!(await this.moveFromAnywhere(blob))) lost.push(blob)
      }
    }
    return { lost, memory: loaded }
  }

  /** Of the copies in all packs the first whole one; false when there is none. */
  async moveFromAnywhere({ type, id }: Pick<PackedBlob, 'type' | 'id'>): Promise<boolean> {
    const { from, tools, packs, signal } = this.#parts
    try {
      const plaintext = await loadBlob(from, type, id, signal)
      const sealer = new BlobSealer(type, tools, Buffer.allocUnsafeSlow(plaintext.length + SEAL_BYTES))
      sealer.add(plaintext, Buffer.from(id, 'hex'))
      await packs.add(type, sealer.finish())
      return true
    } catch (error) {
      if (!isAppError(error, 'damaged')) throw error
      return false
    }
  }
}
