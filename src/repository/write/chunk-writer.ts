import { MAX_CHUNK_BYTES } from '../chunker/gear-chunker.ts'
import type { ReadableContent } from '../contract/writing.ts'
import type { BlobSink } from './blob-sink.ts'
import { fixedCuts } from './cut-job.ts'
import { CHUNK_SLAB_BYTES, giveBack, type SlabReader, SMALL_BYTES, type Target } from './slab-reader.ts'

/** Writes contents that are cut by what is in them. */
export class ChunkWriter {
  readonly #slabs: SlabReader
  readonly #sink: BlobSink
  #zeroChunk: Promise<{ readonly id: Buffer; readonly lengthBytes: number }> | undefined

  constructor(slabs: SlabReader, sink: BlobSink) {
    this.#slabs = slabs
    this.#sink = sink
  }

  async write(content: ReadableContent, target: Target): Promise<void> {
    const pool = this.#slabs.firstSlabs()
    const first = await pool.acquire()
    const length = await this.#slabs.fill(content, first, 0, target, pool)
    const final = length < first.length
    if (length <= SMALL_BYTES)
      return this.#slabs.addHere(first, fixedCuts({ start: 0, end: length }, SMALL_BYTES), pool, target)
    if (final) {
      const outcome = await this.#slabs.cut({ slab: first, start: 0, end: length, cut: content.cut, final })
      return this.#slabs.take(outcome, 0, pool, target)
    }
    await this.#slabs.long.run(async () => {
      const chunks = this.#slabs.pool('chunk', CHUNK_SLAB_BYTES)
      const slab = await chunks.acquire()
      slab.set(first)
      pool.release(first)
      const more = await this.#slabs.fill(content, slab.subarray(0, MAX_CHUNK_BYTES), length, target, chunks)
      await this.#writeLongContent(content, slab, length + more, target)
    })
  }

  /** @param slab the content's first `length` bytes; fewer than `MAX_CHUNK_BYTES` are all there is */
  async #writeLongContent(content: ReadableContent, slab: Uint8Array, length: number, target: Target): Promise<void> {
    const pool = this.#slabs.pool('chunk', CHUNK_SLAB_BYTES)
    let current = { slab, start: 0, end: length, cut: content.cut, final: length < MAX_CHUNK_BYTES }
    /** How many bytes at its end were never read, but are zeros. */
    let zeros = 0
    while (!current.final) {
      const { start, end } = current
      const cut = this.#slabs.cut(current)
      // The next bytes are read while these are cut; what is left over is put before them.
      const next = await pool.acquire()
      const passed = this.#passZeros(content, next, target)
      const read =
        passed ||
        (await this.#slabs.fill(content, next, MAX_CHUNK_BYTES, target, pool).catch((error: unknown) => {
          giveBack(cut, pool)
          throw error
        }))
      const outcome = await cut
      const left = outcome.slab.subarray(outcome.ends.at(-1) ?? start, end)
      const nextStart = MAX_CHUNK_BYTES - left.length
      next.set(left, nextStart)
      // Now, for the slab, and what is left of it, is given away.
      const behind = passed > 0 && left.length <= zeros ? left.length + passed : 0
      await this.#slabs.take(outcome, start, pool, target)
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
    await this.#slabs.take(await this.#slabs.cut(current), current.start, pool, target)
  }

  /** In place of reading: a hole that is long enough. Returns the bytes, or 0. */
  #passZeros({ zeros }: ReadableContent, slab: Uint8Array, target: Target): number {
    const room = slab.length - MAX_CHUNK_BYTES
    if (zeros === undefined || target.hash || zeros.aheadBytes() < room) return 0
    slab.fill(0, MAX_CHUNK_BYTES)
    this.#slabs.countPassed(zeros, room, target)
    return room
  }

  /**
   * A chunk begins in zeros, of which so many are behind us and more may come: all of them that make whole chunks are one
   * chunk, again and again, as reading and cutting them would show. Returns what is left of the hole, which is passed.
   */
  async #addZeros({ zeros }: ReadableContent, behindBytes: number, target: Target): Promise<number> {
    const ahead = zeros?.aheadBytes() ?? 0
    if (zeros !== undefined && ahead > 0) this.#slabs.countPassed(zeros, ahead, target)
    const { id, lengthBytes } = await (this.#zeroChunk ??= this.#cutZeros())
    const count = Math.floor((behindBytes + ahead) / lengthBytes)
    if (count > 0) await this.#sink.add('data', new Uint8Array(lengthBytes), id)
    const hex = id.toString('hex')
    for (let i = 0; i < count; i++) target.ids.push(hex)
    return behindBytes + ahead - count * lengthBytes
  }

  async #cutZeros(): Promise<{ id: Buffer; lengthBytes: number }> {
    const slab = new Uint8Array(MAX_CHUNK_BYTES)
    const cut = { kind: 'content' } as const
    const { ends, digests } = await this.#slabs.cut({ slab, start: 0, end: slab.length, cut, final: true })
    return { id: Buffer.from(digests.subarray(0, 32)), lengthBytes: ends[0] ?? MAX_CHUNK_BYTES }
  }
}
