import { createHash } from 'node:crypto'
import type { ReadableContent, WriteContentOptions, WrittenContent } from '../contract/writing.ts'
import type { MarkFolder } from '../marks/mark-folder.ts'
import { MARKED_FROM_BYTES, markedBytes } from '../marks/marks.ts'
import { BlockWriter } from './block-writer.ts'
import { ChunkWriter } from './chunk-writer.ts'
import type { KnownBlobs } from './known-blobs.ts'
import { Marking } from './marking.ts'
import { SLAB_BYTES, SlabReader, type SlabReaderOptions } from './slab-reader.ts'

export interface ContentWriterOptions extends SlabReaderOptions {
  readonly known: KnownBlobs
  /** Undefined where nothing is kept on this machine. */
  readonly marks: MarkFolder | undefined
}

/** Reads contents, cuts them into blobs and hands these to the sink. */
export class ContentWriter {
  readonly #options: ContentWriterOptions
  readonly #slabs: SlabReader
  readonly #blocks: BlockWriter
  readonly #chunks: ChunkWriter

  constructor(options: ContentWriterOptions) {
    this.#options = options
    this.#slabs = new SlabReader(options)
    this.#blocks = new BlockWriter(this.#slabs, options.sink)
    this.#chunks = new ChunkWriter(this.#slabs, options.sink)
  }

  get bytesRead(): number {
    return this.#slabs.bytesRead
  }

  async write(content: ReadableContent, options: WriteContentOptions): Promise<WrittenContent> {
    const { cut } = content
    const marking = await this.#beginMarking(content, options)
    const target = { ids: [], marking, hash: options.sha256 ? createHash('sha256') : undefined, sizeBytes: 0 }
    if (cut.kind === 'content') await this.#chunks.write(content, target)
    else await this.#blocks.write(content, cut.blockBytes, target)
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
}
