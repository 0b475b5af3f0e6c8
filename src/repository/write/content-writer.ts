import { createHash, type Hash } from 'node:crypto'
import { Semaphore } from '../../base/concurrency.ts'
import type { Id } from '../../model/node.ts'
import { MAX_CHUNK_BYTES, MIN_CHUNK_BYTES } from '../chunker/gear-chunker.ts'
import type { FilePiece, ReadableContent, WriteContentOptions, WrittenContent } from '../repository.ts'
import type { WorkerPool } from '../workers/pool.ts'
import type { BlobSink } from './blob-sink.ts'
import { BufferPool } from './buffer-pool.ts'
import { type CutJob, type CutOutcome, digestParts, fixedCuts } from './cut-job.ts'
import type { Failure } from './failure.ts'
import type { KnownBlobs } from './known-blobs.ts'
import type { MarkFolder } from './mark-folder.ts'
import { MARKED_FROM_BYTES, Marking } from './marking.ts'
import { markedBytes } from './marks.ts'

/** Read and hashed at a time; where blocks are longer, one block. */
const SLAB_BYTES = 1024 * 1024
/** Room for what is left of a chunk from before, and as much again to read into. */
const CHUNK_SLAB_BYTES = 2 * MAX_CHUNK_BYTES
/** Contents up to this are hashed here: the way to a worker and back would take longer. */
const SMALL_BYTES = MIN_CHUNK_BYTES
/** Contents longer than a slab that are read at once. Each holds slabs while it waits for more, so these are counted. */
const LONG_CONTENTS = 2
const FIRST_SLABS = 8

export interface ContentWriterOptions {
  readonly sink: BlobSink
  readonly workers: WorkerPool
  readonly failure: Failure
  readonly known: KnownBlobs
  /** Undefined where nothing is kept on this machine. */
  readonly marks: MarkFolder | undefined
}

interface Target {
  readonly ids: Id[]
  readonly marking: Marking | undefined
  readonly hash: Hash | undefined
  sizeBytes: number
}

interface CutSlab {
  readonly outcome: Promise<CutOutcome>
  readonly pool: BufferPool
  /** What a worker is to read. */
  readonly piece?: FilePiece | undefined
}

/** Reads contents, cuts them into blobs and hands these to the sink. */
export class ContentWriter {
  readonly #options: ContentWriterOptions
  readonly #pools = new Map<string, BufferPool>()
  readonly #long = new Semaphore(LONG_CONTENTS)
  bytesRead = 0

  constructor(options: ContentWriterOptions) {
    this.#options = options
  }

  async write(content: ReadableContent, options: WriteContentOptions): Promise<WrittenContent> {
    const { cut } = content
    const marking = await this.#beginMarking(content, options)
    const target = { ids: [], marking, hash: options.sha256 ? createHash('sha256') : undefined, sizeBytes: 0 }
    if (cut.kind === 'content') await this.#writeChunks(content, target)
    else if (cut.blockBytes <= SLAB_BYTES) await this.#writeBlocks(content, cut.blockBytes, target)
    else await this.#long.run(() => this.#writeSlabs(content, this.#pool('block', cut.blockBytes), [], target))
    if (marking) this.#options.failure.follow(marking.end())
    const sha256 = target.hash?.digest('hex')
    return { content: target.ids, sizeBytes: target.sizeBytes, ...(sha256 === undefined ? {} : { sha256 }) }
  }

  async #beginMarking(
    { cut, sizeBytes = 0 }: ReadableContent,
    { before }: WriteContentOptions,
  ): Promise<Marking | undefined> {
    const { marks: folder, known } = this.#options
    if (folder === undefined || cut.kind !== 'fixed' || sizeBytes < MARKED_FROM_BYTES) return undefined
    const { blockBytes } = cut
    if (Math.max(SLAB_BYTES, blockBytes) % markedBytes(blockBytes) !== 0) return undefined
    return Marking.begin({ folder, known, blockBytes, before })
  }

  async #writeBlocks(content: ReadableContent, blockBytes: number, target: Target): Promise<void> {
    const pool = this.#firstSlabs()
    const slab = await pool.acquire()
    const length = await this.#fill(content, slab, 0, target, pool)
    if (length <= SMALL_BYTES)
      return this.#addHere(slab, fixedCuts({ start: 0, end: length }, blockBytes), pool, target)
    const final = length < slab.length
    const first = { outcome: this.#cutSlab(content, slab, length, target), pool }
    if (final) return this.#take(await first.outcome, 0, pool, target)
    await this.#long.run(() => this.#writeSlabs(content, this.#pool('slab', SLAB_BYTES), [first], target))
  }

  /** Slabs are hashed by several workers at once; their blobs are taken in the order of the content. */
  async #writeSlabs(content: ReadableContent, pool: BufferPool, ahead: CutSlab[], target: Target): Promise<void> {
    try {
      for (let final = false; !final; ) {
        const slab = await pool.acquire()
        const piece = this.#skip(content, slab, target, pool)
        const length = piece ? piece.lengthBytes : await this.#fill(content, slab, 0, target, pool)
        final = length < slab.length
        ahead.push({ outcome: this.#cutSlab(content, slab, length, target, piece), pool, piece })
        while (ahead.length > (final ? 0 : this.#options.workers.size + 1)) await this.#takeNext(ahead, target)
      }
    } finally {
      for (const cut of ahead) giveBack(cut)
      // The source closes what the workers are still reading from.
      await Promise.allSettled(ahead.filter(cut => cut.piece).map(cut => cut.outcome))
    }
  }

  /** `target.sizeBytes` is where the slab ends. */
  #cutSlab(
    { cut }: ReadableContent,
    slab: Uint8Array,
    length: number,
    { marking, sizeBytes }: Target,
    piece?: FilePiece,
  ): Promise<CutOutcome> {
    const marks = marking?.orderFor(sizeBytes - length, slab.length)
    return this.#cut({ slab, start: 0, end: length, cut, final: length < slab.length, piece, marks })
  }

  async #takeNext(ahead: CutSlab[], target: Target): Promise<void> {
    const next = ahead.shift()
    if (next) await this.#take(await next.outcome, 0, next.pool, target)
  }

  async #writeChunks(content: ReadableContent, target: Target): Promise<void> {
    const pool = this.#firstSlabs()
    const first = await pool.acquire()
    const length = await this.#fill(content, first, 0, target, pool)
    const final = length < first.length
    if (length <= SMALL_BYTES)
      return this.#addHere(first, fixedCuts({ start: 0, end: length }, SMALL_BYTES), pool, target)
    if (final) {
      const outcome = await this.#cut({ slab: first, start: 0, end: length, cut: content.cut, final })
      return this.#take(outcome, 0, pool, target)
    }
    await this.#long.run(async () => {
      const chunks = this.#pool('chunk', CHUNK_SLAB_BYTES)
      const slab = await chunks.acquire()
      slab.set(first)
      pool.release(first)
      const more = await this.#fill(content, slab.subarray(0, MAX_CHUNK_BYTES), length, target, chunks)
      await this.#writeLongContent(content, slab, length + more, target)
    })
  }

  /** @param slab the content's first `length` bytes; fewer than `MAX_CHUNK_BYTES` are all there is */
  async #writeLongContent(content: ReadableContent, slab: Uint8Array, length: number, target: Target): Promise<void> {
    const pool = this.#pool('chunk', CHUNK_SLAB_BYTES)
    let current = { slab, start: 0, end: length, cut: content.cut, final: length < MAX_CHUNK_BYTES }
    while (!current.final) {
      const { start, end } = current
      const cut = this.#cut(current)
      // The next bytes are read while these are cut; what is left over is put before them.
      const next = await pool.acquire()
      const read = await this.#fill(content, next, MAX_CHUNK_BYTES, target, pool).catch((error: unknown) => {
        giveBack({ outcome: cut, pool })
        throw error
      })
      const outcome = await cut
      const left = outcome.slab.subarray(outcome.ends.at(-1) ?? start, end)
      const nextStart = MAX_CHUNK_BYTES - left.length
      next.set(left, nextStart)
      await this.#take(outcome, start, pool, target)
      const final = read < next.length - MAX_CHUNK_BYTES
      current = { ...current, slab: next, start: nextStart, end: MAX_CHUNK_BYTES + read, final }
    }
    await this.#take(await this.#cut(current), current.start, pool, target)
  }

  #cut(job: CutJob): Promise<CutOutcome> {
    this.#options.failure.check()
    const cut = this.#options.workers.run('cut', job, job.slab)
    // It may fail while another slab is waited for.
    cut.catch(() => {})
    return cut
  }

  async #addHere(slab: Uint8Array, ends: Uint32Array, pool: BufferPool, target: Target): Promise<void> {
    await this.#take({ slab, ends, digests: digestParts(slab, 0, ends) }, 0, pool, target)
  }

  async #take(outcome: CutOutcome, start: number, pool: BufferPool, { ids, marking }: Target): Promise<void> {
    const { ends, digests, same, marks } = outcome
    const bytes = Buffer.from(digests.buffer, digests.byteOffset, digests.byteLength)
    const first = ids.length
    for (let i = 0; i < ends.length; i++) {
      const isSame = marking && same?.[i] === 1
      ids.push(isSame ? marking.idBefore(first + i) : bytes.toString('hex', i * 32, i * 32 + 32))
    }
    if (marks && same) marking?.take(bytes, marks, same, first)
    await this.#options.sink.addSlab(outcome, start, free => pool.release(free))
  }

  /** Leaves the reading of a slab to a worker, where that can do it. */
  #skip(content: ReadableContent, slab: Uint8Array, target: Target, pool: BufferPool): FilePiece | undefined {
    if (target.hash) return undefined
    try {
      this.#options.failure.check()
      const piece = content.skip?.(slab.length)
      target.sizeBytes += piece?.lengthBytes ?? 0
      this.bytesRead += piece?.lengthBytes ?? 0
      return piece
    } catch (error) {
      pool.release(slab)
      throw error
    }
  }

  /** Reads until the slab is full or the content ends; returns the bytes read. When it fails the slab is given back. */
  async #fill(
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

  #firstSlabs(): BufferPool {
    return this.#pool('first', SLAB_BYTES)
  }

  #pool(use: 'first' | 'slab' | 'chunk' | 'block', size: number): BufferPool {
    const known = this.#pools.get(`${use} ${size}`)
    if (known) return known
    const { workers, failure } = this.#options
    // What a long content holds while it waits for one more, and some that are being stored.
    const held = use === 'chunk' ? 2 : workers.size + 2
    const limit = use === 'first' ? FIRST_SLABS : LONG_CONTENTS * held + 2
    const made = new BufferPool(size, limit, failure)
    this.#pools.set(`${use} ${size}`, made)
    return made
  }
}

// After a source's error other contents go on: they need the slab.
function giveBack({ outcome, pool }: CutSlab): void {
  outcome.then(
    ({ slab }) => pool.release(slab),
    () => {},
  )
}
