import type { Hash } from 'node:crypto'
import { Semaphore } from '../../base/concurrency.ts'
import type { Id } from '../../model/node.ts'
import { MAX_CHUNK_BYTES, MIN_CHUNK_BYTES } from '../chunker/gear-chunker.ts'
import type { FilePiece, ReadableContent, ZeroRun } from '../contract/writing.ts'
import type { WorkerPool } from '../workers/pool.ts'
import type { BlobSink } from './blob-sink.ts'
import { BufferPool } from './buffer-pool.ts'
import { type CutJob, type CutOutcome, type Cuts, digestParts } from './cut-job.ts'
import type { Failure } from './failure.ts'
import type { Marking } from './marking.ts'
import { SlotPool } from './slot-pool.ts'

/** Read and hashed at a time; where blocks are longer, one block. */
export const SLAB_BYTES = 1024 * 1024
/** Room for what is left of a chunk from before, and as much again to read into. */
export const CHUNK_SLAB_BYTES = 2 * MAX_CHUNK_BYTES
/** Contents up to this are hashed here: the way to a worker and back would take longer. */
export const SMALL_BYTES = MIN_CHUNK_BYTES
/** Contents longer than a slab that are read at once. Each holds slabs while it waits for more, so these are counted. */
const LONG_CONTENTS = 2
const FIRST_SLABS = 8

export interface SlabReaderOptions {
  /** Tells the writings of one process apart. */
  readonly writing: number
  readonly sink: BlobSink
  readonly workers: WorkerPool
  readonly failure: Failure
}

/** What has become of a content so far. */
export interface Target {
  readonly ids: Id[]
  readonly marking: Marking | undefined
  readonly hash: Hash | undefined
  sizeBytes: number
}

/** A piece of a file that a worker reads. */
export interface LeftToWorker {
  readonly piece: FilePiece
  /** The content ends with it. */
  readonly final: boolean
}

/** Reads contents into slabs, has them cut, and hands what comes of it to the sink. Its pools bound a backup's memory. */
export class SlabReader {
  /** Held while a content longer than a slab is read. */
  readonly long = new Semaphore(LONG_CONTENTS)
  bytesRead = 0
  readonly #options: SlabReaderOptions
  readonly #pools = new Map<string, BufferPool>()
  readonly #slotPools = new Map<number, SlotPool>()

  constructor(options: SlabReaderOptions) {
    this.#options = options
  }

  /** Reads until the slab is full or the content ends; returns the bytes read. When it fails the slab is given back. */
  async fill(
    content: ReadableContent,
    slab: Uint8Array,
    offset: number,
    target: Target,
    pool: BufferPool,
  ): Promise<number> {
    let at = offset
    try {
      while (at < slab.length) {
        this.#options.failure.check()
        const read = await content.read(slab.subarray(at))
        if (read === 0) break
        at += read
      }
    } catch (error) {
      pool.release(slab)
      throw error
    }
    target.hash?.update(slab.subarray(offset, at))
    target.sizeBytes += at - offset
    this.bytesRead += at - offset
    return at - offset
  }

  /** Leaves the reading of a slab to a worker, where that can do it. */
  skip(content: ReadableContent, sizeBytes: number, target: Target): LeftToWorker | undefined {
    if (target.hash || !this.#options.workers.usesThreads(sizeBytes)) return undefined
    this.#options.failure.check()
    const piece = content.skip?.(sizeBytes)
    if (piece === undefined) return undefined
    target.sizeBytes += piece.lengthBytes
    this.bytesRead += piece.lengthBytes
    return { piece, final: piece.lengthBytes < sizeBytes }
  }

  countPassed(zeros: ZeroRun, lengthBytes: number, target: Target): void {
    this.#options.failure.check()
    zeros.pass(lengthBytes)
    target.sizeBytes += lengthBytes
    this.bytesRead += lengthBytes
  }

  cut(job: CutJob): Promise<CutOutcome> {
    this.#options.failure.check()
    const cut = this.#options.workers.run('cut', job, job.slab)
    // It may fail while another slab is waited for.
    cut.catch(() => {})
    return cut
  }

  async addHere(slab: Uint8Array, ends: Uint32Array, pool: BufferPool, target: Target): Promise<void> {
    await this.take({ slab, ends, digests: digestParts(slab, 0, ends) }, 0, pool, target)
  }

  async take(outcome: CutOutcome, start: number, pool: BufferPool, target: Target): Promise<void> {
    this.note(outcome, target)
    await this.#options.sink.addSlab(outcome, start, free => pool.release(free))
  }

  note({ ends, digests, same, marks }: Cuts, { ids, marking }: Target): void {
    const bytes = Buffer.from(digests.buffer, digests.byteOffset, digests.byteLength)
    const first = ids.length
    for (let i = 0; i < ends.length; i++) {
      const isSame = marking && same?.[i] === 1
      ids.push(isSame ? marking.idBefore(first + i) : bytes.toString('hex', i * 32, i * 32 + 32))
    }
    if (marks && same) marking?.take(bytes, marks, same, first)
  }

  /** One waits at each worker, so that none waits for this thread; where memory is short, for all of them together. */
  mostAhead(isShort: boolean): number {
    const { size } = this.#options.workers
    return isShort ? size + 1 : size * 2 + 1
  }

  firstSlabs(): BufferPool {
    return this.pool('first', SLAB_BYTES)
  }

  pool(use: 'first' | 'slab' | 'chunk' | 'block', size: number): BufferPool {
    const known = this.#pools.get(`${use} ${size}`)
    if (known) return known
    const { failure } = this.#options
    const limit = use === 'first' ? FIRST_SLABS : this.#longLimit(use === 'chunk')
    const made = new BufferPool(size, limit, failure)
    this.#pools.set(`${use} ${size}`, made)
    return made
  }

  slotPool(sizeBytes: number): SlotPool {
    const known = this.#slotPools.get(sizeBytes)
    if (known) return known
    const { workers, failure, writing } = this.#options
    const made = new SlotPool({ workers, failure, writing, sizeBytes, limit: this.#longLimit(false) })
    this.#slotPools.set(sizeBytes, made)
    return made
  }

  #longLimit(isChunks: boolean): number {
    // What a long content holds while it waits for one more, and some that are being stored.
    const held = isChunks ? 2 : this.mostAhead(true) + 1
    return LONG_CONTENTS * held + 2
  }
}

// After a source's error other contents go on: they need the slab.
export function giveBack(cut: Promise<CutOutcome>, pool: BufferPool): void {
  cut.then(
    ({ slab }) => pool.release(slab),
    () => {},
  )
}
