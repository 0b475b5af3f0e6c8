import { createHash, type Hash } from 'node:crypto'
import { Semaphore } from '../../base/concurrency.ts'
import type { Id } from '../../model/node.ts'
import { MAX_CHUNK_BYTES, MIN_CHUNK_BYTES } from '../chunker/gear-chunker.ts'
import type { MarkFolder } from '../marks/mark-folder.ts'
import { MARKED_FROM_BYTES, markedBytes } from '../marks/marks.ts'
import type { FilePiece, ReadableContent, WriteContentOptions, WrittenContent, ZeroRun } from '../repository.ts'
import type { WorkerPool } from '../workers/pool.ts'
import type { BlobSink } from './blob-sink.ts'
import { BufferPool } from './buffer-pool.ts'
import { type CutJob, type CutOutcome, type Cuts, digestParts, fixedCuts } from './cut-job.ts'
import type { Failure } from './failure.ts'
import type { KnownBlobs } from './known-blobs.ts'
import { Marking } from './marking.ts'
import { SlotPool } from './slot-pool.ts'

/** Read and hashed at a time; where blocks are longer, one block. */
const SLAB_BYTES = 1024 * 1024
/** The same where nearly all will be as before: a worker is done with it as fast, and asked half as often. */
const KNOWN_SLABS = 2
/** Room for what is left of a chunk from before, and as much again to read into. */
const CHUNK_SLAB_BYTES = 2 * MAX_CHUNK_BYTES
/** Contents up to this are hashed here: the way to a worker and back would take longer. */
const SMALL_BYTES = MIN_CHUNK_BYTES
/** Contents longer than a slab that are read at once. Each holds slabs while it waits for more, so these are counted. */
const LONG_CONTENTS = 2
const FIRST_SLABS = 8

export interface ContentWriterOptions {
  /** Tells the writings of one process apart. */
  readonly writing: number
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

/** A slab of a content on its way: workers cut several at once, and each is taken when those before it were. */
interface Ahead {
  readonly cut: Promise<unknown>
  /** It is the last one. */
  readonly final: boolean
  take(): Promise<void>
  giveBack(): void
}

/** A piece of a file that a worker reads. */
interface LeftToWorker {
  readonly piece: FilePiece
  /** The content ends with it. */
  readonly final: boolean
}

/** Reads contents, cuts them into blobs and hands these to the sink. */
export class ContentWriter {
  readonly #options: ContentWriterOptions
  readonly #pools = new Map<string, BufferPool>()
  readonly #slotPools = new Map<number, SlotPool>()
  readonly #long = new Semaphore(LONG_CONTENTS)
  #zeroChunk: Promise<{ readonly id: Buffer; readonly lengthBytes: number }> | undefined
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
    const first = this.#cutHere(content, slab, length, target, pool)
    if (first.final) return await first.take()
    await this.#long.run(() => this.#writeSlabs(content, this.#pool('slab', SLAB_BYTES), [first], target))
  }

  /** Slabs are hashed by several workers at once; their blobs are taken in the order of the content. */
  async #writeSlabs(content: ReadableContent, pool: BufferPool, ahead: Ahead[], target: Target): Promise<void> {
    const mostBytes = pool.sizeBytes * (target.marking?.knowsBefore ? KNOWN_SLABS : 1)
    const slots = this.#slotPool(mostBytes)
    try {
      for (let final = false; !final; ) {
        // Where newer pages lie apart, less in one piece may be free of them.
        const left = this.#skip(content, mostBytes, target) ?? this.#skip(content, pool.sizeBytes, target)
        const next = left
          ? await this.#cutThere(content, left, target, slots)
          : await this.#readAndCut(content, target, pool)
        ahead.push(next)
        final = next.final
        const most = this.#mostAhead((left ? slots : pool).isUsedUp)
        while (ahead.length > (final ? 0 : most)) await ahead.shift()?.take()
      }
    } finally {
      for (const each of ahead) each.giveBack()
      // The source closes what the workers are still reading from.
      await Promise.allSettled(ahead.map(each => each.cut))
    }
  }

  /** One waits at each worker, so that none waits for this thread; where memory is short, for all of them together. */
  #mostAhead(isShort: boolean): number {
    const { size } = this.#options.workers
    return isShort ? size + 1 : size * 2 + 1
  }

  async #readAndCut(content: ReadableContent, target: Target, pool: BufferPool): Promise<Ahead> {
    const slab = await pool.acquire()
    return this.#cutHere(content, slab, await this.#fill(content, slab, 0, target, pool), target, pool)
  }

  /** Of a slab that was read in this thread; `target.sizeBytes` is where it ends. */
  #cutHere({ cut }: ReadableContent, slab: Uint8Array, length: number, target: Target, pool: BufferPool): Ahead {
    const marks = target.marking?.orderFor(target.sizeBytes - length, slab.length)
    const final = length < slab.length
    const cutting = this.#cut({ slab, start: 0, end: length, cut, final, marks })
    return {
      cut: cutting,
      final,
      take: async () => await this.#take(await cutting, 0, pool, target),
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
        this.#note(cuts, target)
        this.#options.sink.addSlot(place, cuts, release)
      },
      giveBack: () => void cutting.then(release, release),
    }
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
    /** How many bytes at its end were never read, but are zeros. */
    let zeros = 0
    while (!current.final) {
      const { start, end } = current
      const cut = this.#cut(current)
      // The next bytes are read while these are cut; what is left over is put before them.
      const next = await pool.acquire()
      const passed = this.#passZeros(content, next, target)
      const read =
        passed ||
        (await this.#fill(content, next, MAX_CHUNK_BYTES, target, pool).catch((error: unknown) => {
          giveBack(cut, pool)
          throw error
        }))
      const outcome = await cut
      const left = outcome.slab.subarray(outcome.ends.at(-1) ?? start, end)
      const nextStart = MAX_CHUNK_BYTES - left.length
      next.set(left, nextStart)
      // Now, for the slab, and what is left of it, is given away.
      const behind = passed > 0 && left.length <= zeros ? left.length + passed : 0
      await this.#take(outcome, start, pool, target)
      if (behind > 0) {
        const end = await this.#addZeros(content, behind, target)
        next.fill(0, 0, end)
        current = { ...current, slab: next, start: 0, end, final: false }
        zeros = end
      } else {
        const final = read < next.length - MAX_CHUNK_BYTES
        current = { ...current, slab: next, start: nextStart, end: MAX_CHUNK_BYTES + read, final }
        zeros = passed
      }
    }
    await this.#take(await this.#cut(current), current.start, pool, target)
  }

  /** In place of reading: a hole that is long enough. Returns the bytes, or 0. */
  #passZeros({ zeros }: ReadableContent, slab: Uint8Array, target: Target): number {
    const room = slab.length - MAX_CHUNK_BYTES
    if (zeros === undefined || target.hash || zeros.aheadBytes() < room) return 0
    this.#options.failure.check()
    slab.fill(0, MAX_CHUNK_BYTES)
    this.#countPassed(zeros, room, target)
    return room
  }

  #countPassed(zeros: ZeroRun, lengthBytes: number, target: Target): void {
    zeros.pass(lengthBytes)
    target.sizeBytes += lengthBytes
    this.bytesRead += lengthBytes
  }

  /**
   * A chunk begins in zeros, of which so many are behind us and more may come: all of them that make whole chunks are one
   * chunk, again and again, as reading and cutting them would show. Returns what is left of the hole, which is passed.
   */
  async #addZeros({ zeros }: ReadableContent, behindBytes: number, target: Target): Promise<number> {
    const ahead = zeros?.aheadBytes() ?? 0
    if (zeros !== undefined && ahead > 0) this.#countPassed(zeros, ahead, target)
    const { id, lengthBytes } = await (this.#zeroChunk ??= this.#cutZeros())
    const count = Math.floor((behindBytes + ahead) / lengthBytes)
    if (count > 0) await this.#options.sink.add('data', new Uint8Array(lengthBytes), id)
    const hex = id.toString('hex')
    for (let i = 0; i < count; i++) target.ids.push(hex)
    return behindBytes + ahead - count * lengthBytes
  }

  async #cutZeros(): Promise<{ id: Buffer; lengthBytes: number }> {
    const slab = new Uint8Array(MAX_CHUNK_BYTES)
    const cut = { kind: 'content' } as const
    const { ends, digests } = await this.#cut({ slab, start: 0, end: slab.length, cut, final: true })
    return { id: Buffer.from(digests.subarray(0, 32)), lengthBytes: ends[0] ?? MAX_CHUNK_BYTES }
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

  async #take(outcome: CutOutcome, start: number, pool: BufferPool, target: Target): Promise<void> {
    this.#note(outcome, target)
    await this.#options.sink.addSlab(outcome, start, free => pool.release(free))
  }

  #note({ ends, digests, same, marks }: Cuts, { ids, marking }: Target): void {
    const bytes = Buffer.from(digests.buffer, digests.byteOffset, digests.byteLength)
    const first = ids.length
    for (let i = 0; i < ends.length; i++) {
      const isSame = marking && same?.[i] === 1
      ids.push(isSame ? marking.idBefore(first + i) : bytes.toString('hex', i * 32, i * 32 + 32))
    }
    if (marks && same) marking?.take(bytes, marks, same, first)
  }

  /** Leaves the reading of a slab to a worker, where that can do it. */
  #skip(content: ReadableContent, sizeBytes: number, target: Target): LeftToWorker | undefined {
    if (target.hash || !this.#options.workers.usesThreads(sizeBytes)) return undefined
    this.#options.failure.check()
    const piece = content.skip?.(sizeBytes)
    if (piece === undefined) return undefined
    target.sizeBytes += piece.lengthBytes
    this.bytesRead += piece.lengthBytes
    return { piece, final: piece.lengthBytes < sizeBytes }
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
    const { failure } = this.#options
    const limit = use === 'first' ? FIRST_SLABS : this.#longLimit(use === 'chunk')
    const made = new BufferPool(size, limit, failure)
    this.#pools.set(`${use} ${size}`, made)
    return made
  }

  #slotPool(sizeBytes: number): SlotPool {
    const known = this.#slotPools.get(sizeBytes)
    if (known) return known
    const { workers, failure, writing } = this.#options
    const made = new SlotPool({ workers, failure, writing, sizeBytes, limit: this.#longLimit(false) })
    this.#slotPools.set(sizeBytes, made)
    return made
  }

  #longLimit(isChunks: boolean): number {
    // What a long content holds while it waits for one more, and some that are being stored.
    const held = isChunks ? 2 : this.#mostAhead(true) + 1
    return LONG_CONTENTS * held + 2
  }
}

// After a source's error other contents go on: they need the slab.
function giveBack(cut: Promise<CutOutcome>, pool: BufferPool): void {
  cut.then(
    ({ slab }) => pool.release(slab),
    () => {},
  )
}
