import type { ReadableContent } from '../contract/writing.ts'
import type { BlobSink } from './blob-sink.ts'
import type { BufferPool } from './buffer-pool.ts'
import { fixedCuts } from './cut-job.ts'
import { giveBack, type LeftToWorker, SLAB_BYTES, type SlabReader, SMALL_BYTES, type Target } from './slab-reader.ts'
import type { SlotPool } from './slot-pool.ts'

/** Where nearly all will be as before, so many slabs are read at once: a worker is done with them as fast, and asked half as often. */
const KNOWN_SLABS = 2

/** A slab of a content on its way: workers cut several at once, and each is taken when those before it were. */
interface Ahead {
  readonly cut: Promise<unknown>
  /** It is the last one. */
  readonly final: boolean
  take(): Promise<void>
  giveBack(): void
}

/** Writes contents that are cut into blocks of a fixed size. */
export class BlockWriter {
  readonly #slabs: SlabReader
  readonly #sink: BlobSink

  constructor(slabs: SlabReader, sink: BlobSink) {
    this.#slabs = slabs
    this.#sink = sink
  }

  async write(content: ReadableContent, blockBytes: number, target: Target): Promise<void> {
    if (blockBytes <= SLAB_BYTES) return await this.#writeBlocks(content, blockBytes, target)
    await this.#slabs.long.run(() => this.#writeSlabs(content, this.#slabs.pool('block', blockBytes), [], target))
  }

  async #writeBlocks(content: ReadableContent, blockBytes: number, target: Target): Promise<void> {
    const pool = this.#slabs.firstSlabs()
    const slab = await pool.acquire()
    const length = await this.#slabs.fill(content, slab, 0, target, pool)
    if (length <= SMALL_BYTES)
      return this.#slabs.addHere(slab, fixedCuts({ start: 0, end: length }, blockBytes), pool, target)
    const first = this.#cutHere(content, slab, length, target, pool)
    if (first.final) return await first.take()
    await this.#slabs.long.run(() => this.#writeSlabs(content, this.#slabs.pool('slab', SLAB_BYTES), [first], target))
  }

  /** Slabs are hashed by several workers at once; their blobs are taken in the order of the content. */
  async #writeSlabs(content: ReadableContent, pool: BufferPool, ahead: Ahead[], target: Target): Promise<void> {
    const mostBytes = pool.sizeBytes * (target.marking?.knowsBefore ? KNOWN_SLABS : 1)
    const slots = this.#slabs.slotPool(mostBytes)
    try {
      for (let final = false; !final; ) {
        // Where newer pages lie apart, less in one piece may be free of them.
        const left = this.#slabs.skip(content, mostBytes, target) ?? this.#slabs.skip(content, pool.sizeBytes, target)
        const next = left
          ? await this.#cutThere(content, left, target, slots)
          : await this.#readAndCut(content, target, pool)
        ahead.push(next)
        final = next.final
        const most = this.#slabs.mostAhead((left ? slots : pool).isUsedUp)
        while (ahead.length > (final ? 0 : most)) await ahead.shift()?.take()
      }
    } finally {
      for (const each of ahead) each.giveBack()
      // The source closes what the workers are still reading from.
      await Promise.allSettled(ahead.map(each => each.cut))
    }
  }

  async #readAndCut(content: ReadableContent, target: Target, pool: BufferPool): Promise<Ahead> {
    const slab = await pool.acquire()
    return this.#cutHere(content, slab, await this.#slabs.fill(content, slab, 0, target, pool), target, pool)
  }

  /** Of a slab that was read in this thread; `target.sizeBytes` is where it ends. */
  #cutHere({ cut }: ReadableContent, slab: Uint8Array, length: number, target: Target, pool: BufferPool): Ahead {
    const marks = target.marking?.orderFor(target.sizeBytes - length, slab.length)
    const final = length < slab.length
    const cutting = this.#slabs.cut({ slab, start: 0, end: length, cut, final, marks })
    return {
      cut: cutting,
      final,
      take: async () => await this.#slabs.take(await cutting, 0, pool, target),
      giveBack: () => giveBack(cutting, pool),
    }
  }

  /** Has a worker read and cut a piece of a file; the bytes stay there. `target.sizeBytes` is where it ends. */
  async #cutThere(
    { cut }: ReadableContent,
    { piece, final }: LeftToWorker,
    target: Target,
    slots: SlotPool,
  ): Promise<Ahead> {
    const place = await slots.acquire()
    const { lane, slot } = place
    const marks = target.marking?.orderFor(target.sizeBytes - piece.lengthBytes, slot.sizeBytes)
    const cutting = lane.run('read', { slot, piece, cut, marks }, [])
    // It may fail while another one is waited for.
    cutting.catch(() => {})
    const release = (): void => slots.release(place)
    return {
      cut: cutting,
      final,
      take: async () => {
        const cuts = await cutting
        this.#slabs.note(cuts, target)
        this.#sink.addSlot(place, cuts, release)
      },
      giveBack: () => void cutting.then(release, release),
    }
  }
}
