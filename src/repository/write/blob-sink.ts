import type { BlobType } from '../contract/blob.ts'
import { SEAL_BYTES } from '../format/pack-header.ts'
import type { SealedBlobs } from '../pack/blob-sealer.ts'
import type { PackSink } from '../pack/pack-writer.ts'
import { RecycledMemory } from '../read/recycled-memory.ts'
import { transferable } from '../workers/jobs.ts'
import type { WorkerPool } from '../workers/pool.ts'
import { BufferPool } from './buffer-pool.ts'
import type { CutOutcome, Cuts } from './cut-job.ts'
import type { Failure } from './failure.ts'
import type { KnownBlobs } from './known-blobs.ts'
import type { PlacedSlot } from './slot-pool.ts'
import type { NewBlobs } from './store-job.ts'

/** Small blobs travel to a worker together, so many to a message. */
const BATCH_BYTES = 1024 * 1024
const ID_BYTES = 32

export interface BlobSinkOptions {
  readonly known: KnownBlobs
  readonly packs: PackSink
  readonly workers: WorkerPool
  readonly failure: Failure
}

interface Batch {
  readonly slab: Uint8Array
  readonly ranges: number[]
  /** 32 bytes a blob. */
  readonly ids: IdList
  used: number
  /** See `StoreJob`. */
  readonly plainBytes?: number
}

/** Takes blobs, and has those that are new compressed, sealed and stored. */
export class BlobSink {
  readonly #options: BlobSinkOptions
  readonly #buffers: BufferPool
  /** For what workers make. */
  readonly #memory: RecycledMemory
  readonly #batches: { data: Batch | undefined; tree: Batch | undefined } = { data: undefined, tree: undefined }
  bytesNew = 0
  readonly blobsNew = { data: 0, tree: 0 }

  constructor(options: BlobSinkOptions) {
    this.#options = options
    const atOnce = options.workers.size * 2 + 2
    this.#buffers = new BufferPool(BATCH_BYTES, atOnce, options.failure)
    this.#memory = new RecycledMemory(atOnce)
  }

  /** One blob in memory of its own, which is given away. */
  async add(type: BlobType, plaintext: Uint8Array, id: Buffer): Promise<void> {
    if (!this.#claim(type, plaintext.length, id, 0)) return
    if (plaintext.length > BATCH_BYTES / 2) this.#dispatchOne(type, plaintext, id, 0)
    else await this.#copy(type, plaintext, id, 0)
  }

  /** One blob that is compressed already, in memory of its own, which is given away. */
  addCompressed(type: BlobType, compressed: Uint8Array, plainBytes: number, id: Buffer): void {
    if (this.#claim(type, plainBytes, id, 0)) this.#dispatchOne(type, compressed, id, 0, { plainBytes })
  }

  /**
   * Many blobs in one slab, each beginning where the one before ends; those that are `same` are known. `release` is
   * called with the slab when it is free again, which may be long after this resolves.
   */
  async addSlab({ slab, ...cuts }: CutOutcome, start: number, release: (slab: Uint8Array) => void): Promise<void> {
    const { ranges, ids, newBytes } = this.#claimCuts(cuts, start)
    // Little that is new is copied away, and the slab is free at once.
    if (newBytes > BATCH_BYTES / 4) return this.#dispatch('data', { slab, ranges, ids, used: 0 }, release)
    for (let i = 0; i < ids.count; i++) {
      await this.#copy('data', slab.subarray(ranges[i * 2], ranges[i * 2 + 1]), ids.bytes, i * ID_BYTES)
    }
    release(slab)
  }

  /** As `addSlab`, of what lies in a slot from its start. */
  addSlot({ lane, slot }: PlacedSlot, cuts: Cuts, release: () => void): void {
    const { ranges, ids } = this.#claimCuts(cuts, 0)
    if (ids.count === 0) return release()
    const store = async (): Promise<void> => {
      const sealed = await this.#whenReady(() => {
        const blobs = this.#blobsOf(ranges, ids)
        return lane.run('storeSlot', { slot, ...blobs }, transferable([blobs.into]))
      })
      await this.#write('data', sealed)
      release()
    }
    this.#options.failure.follow(store())
  }

  /** Sends on what waits for company. Resolves when all of it is in packs. */
  async flush(): Promise<void> {
    for (const type of ['data', 'tree'] as const) this.#sendBatch(type)
    await this.#options.failure.settle()
  }

  #claim(type: BlobType, length: number, ids: Buffer, idAt: number): boolean {
    const isNew = this.#options.known.claim(type, ids, idAt)
    if (isNew) {
      this.bytesNew += length
      this.blobsNew[type]++
    }
    return isNew
  }

  async #copy(type: BlobType, plaintext: Uint8Array, ids: Buffer, idAt: number): Promise<void> {
    if (plaintext.length > BATCH_BYTES / 2) return this.#dispatchOne(type, Uint8Array.from(plaintext), ids, idAt)
    for (;;) {
      const batch = this.#batches[type] ?? (await this.#startBatch(type))
      if (batch && batch.used + plaintext.length <= batch.slab.length) return addTo(batch, plaintext, ids, idAt)
      if (batch) this.#sendBatch(type)
    }
  }

  #dispatchOne(
    type: BlobType,
    slab: Uint8Array,
    ids: Buffer,
    idAt: number,
    compressed: Pick<Batch, 'plainBytes'> = {},
  ): void {
    const own = new IdList(1)
    own.add(ids, idAt)
    this.#dispatch(type, { slab, ranges: [0, slab.length], ids: own, used: slab.length, ...compressed }, () => {})
  }

  // Undefined when another call was faster: then there is a batch again.
  async #startBatch(type: BlobType): Promise<Batch | undefined> {
    const slab = await this.#buffers.acquire()
    this.#options.failure.check()
    if (this.#batches[type]) {
      this.#buffers.release(slab)
      return undefined
    }
    const batch = { slab, ranges: [], ids: new IdList(64), used: 0 }
    this.#batches[type] = batch
    return batch
  }

  #sendBatch(type: BlobType): void {
    const batch = this.#batches[type]
    this.#batches[type] = undefined
    if (batch) this.#dispatch(type, batch, slab => this.#buffers.release(slab))
  }

  #dispatch(type: BlobType, batch: Batch, release: (slab: Uint8Array) => void): void {
    this.#options.failure.follow(this.#store(type, batch, release))
  }

  async #store(type: BlobType, batch: Batch, release: (slab: Uint8Array) => void): Promise<void> {
    const { slab, ranges, ids, plainBytes } = batch
    const outcome = await this.#whenReady(() =>
      this.#options.workers.store({ type, slab, plainBytes, ...this.#blobsOf(ranges, ids) }),
    )
    await this.#write(type, outcome.sealed)
    release(outcome.slab)
  }

  async #whenReady<T>(store: () => Promise<T>): Promise<T> {
    await this.#options.packs.ready()
    this.#options.failure.check()
    return await store()
  }

  async #write(type: BlobType, sealed: SealedBlobs): Promise<void> {
    await this.#options.packs.add(type, sealed)
    this.#memory.give(sealed.bytes)
  }

  #blobsOf(ranges: readonly number[], ids: IdList): NewBlobs {
    let mostBytes = ids.count * SEAL_BYTES
    for (let i = 0; i < ranges.length; i += 2) mostBytes += (ranges[i + 1] ?? 0) - (ranges[i] ?? 0)
    return { ranges: Uint32Array.from(ranges), ids: ids.bytes, into: this.#memory.take(mostBytes) }
  }

  /** Those that are new, and no longer are: they have to be stored now. */
  #claimCuts({ ends, digests, same }: Cuts, start: number): { ranges: number[]; ids: IdList; newBytes: number } {
    const bytes = Buffer.from(digests.buffer, digests.byteOffset, digests.byteLength)
    const ranges: number[] = []
    const ids = new IdList(Math.min(ends.length, 64))
    let from = start
    let newBytes = 0
    for (const [i, end] of ends.entries()) {
      if (same?.[i] !== 1 && this.#claim('data', end - from, bytes, i * ID_BYTES)) {
        ranges.push(from, end)
        ids.add(bytes, i * ID_BYTES)
        newBytes += end - from
      }
      from = end
    }
    return { ranges, ids, newBytes }
  }
}

function addTo(batch: Batch, plaintext: Uint8Array, ids: Buffer, idAt: number): void {
  batch.slab.set(plaintext, batch.used)
  batch.ranges.push(batch.used, batch.used + plaintext.length)
  batch.ids.add(ids, idAt)
  batch.used += plaintext.length
}

/** Ids one after the other: a buffer for each would be most of what a backup leaves to the garbage collector. */
class IdList {
  count = 0
  #bytes: Buffer

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafeSlow(capacity * ID_BYTES)
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.count * ID_BYTES)
  }

  add(ids: Buffer, at: number): void {
    const end = this.count * ID_BYTES
    if (end === this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes], Math.max(end * 2, ID_BYTES))
    ids.copy(this.#bytes, end, at, at + ID_BYTES)
    this.count++
  }
}
