import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { constants, createZstdCompress, zstdDecompressSync } from 'node:zlib'
import type { Id, TreeNode } from '../../model/node.ts'
import type { TreeWriting } from '../contract/writing.ts'
import { areInOrder, formatNodes, formatTree, parseTree, sortNodes, TREE_END, TREE_START } from '../format/tree.ts'
import { blobId } from '../pack/blob.ts'
import { TREE } from '../pack/compression.ts'
import type { BlobSink } from './blob-sink.ts'

/** A tree of more nodes is written in runs of so many. */
export const NODES_A_RUN = 2000

const OUTPUT_BYTES = 256 * 1024

/**
 * Writes one tree. That of a large folder is hashed and compressed as its nodes come, since all of them together would
 * take most of a backup's memory: it is held compressed only.
 */
export class TreeWriter implements TreeWriting {
  readonly #sink: Pick<BlobSink, 'add' | 'addCompressed'>
  #runNodes: number
  #nodes: TreeNode[] = []
  #text: CompressedText | undefined
  #lastName: string | undefined

  /** @param runNodes infinite where the repository has no compression */
  constructor(sink: Pick<BlobSink, 'add' | 'addCompressed'>, runNodes: number) {
    this.#sink = sink
    this.#runNodes = runNodes
  }

  async add(nodes: readonly TreeNode[]): Promise<void> {
    for (const node of nodes) this.#nodes.push(node)
    if (this.#nodes.length > this.#runNodes) await this.#writeRun()
  }

  async finish(): Promise<Id> {
    if (this.#text !== undefined && this.#nodes.length > 0) await this.#writeRun()
    if (this.#text !== undefined) return await this.#store(this.#text)
    const plaintext = formatTree(this.#nodes)
    const id = blobId(plaintext)
    await this.#sink.add('tree', plaintext, Buffer.from(id, 'hex'))
    return id
  }

  async #writeRun(): Promise<void> {
    const run = sortNodes(this.#nodes)
    if (!areInOrder(run, this.#lastName)) return await this.#takeBack()
    this.#nodes = []
    this.#lastName = run.at(-1)?.name
    const before = this.#text === undefined ? TREE_START : ','
    this.#text ??= new CompressedText()
    await this.#text.write(formatNodes(run, before, ''))
  }

  /** Nodes come in order from a walk, but not from every source: then they have to be there together to be sorted. */
  async #takeBack(): Promise<void> {
    const text = this.#text
    this.#text = undefined
    this.#runNodes = Number.POSITIVE_INFINITY
    if (text === undefined) return
    const { compressed, plainBytes } = await text.end(Buffer.from(TREE_END))
    const plaintext = zstdDecompressSync(compressed, { maxOutputLength: plainBytes })
    this.#nodes = parseTree(plaintext, 'the tree under way').concat(this.#nodes)
  }

  async #store(text: CompressedText): Promise<Id> {
    const { id, compressed, plainBytes } = await text.end(Buffer.from(TREE_END))
    this.#sink.addCompressed('tree', compressed, plainBytes, id)
    return id.toString('hex')
  }
}

/** What comes in pieces, as one zstd frame. Compressed in Node's thread pool. */
class CompressedText {
  readonly #hash = createHash('sha256')
  readonly #zstd = createZstdCompress({
    chunkSize: OUTPUT_BYTES,
    params: { [constants.ZSTD_c_compressionLevel]: TREE.level },
  })
  readonly #parts: Buffer[] = []
  #plainBytes = 0

  constructor() {
    this.#zstd.on('data', (part: Buffer) => this.#parts.push(part))
  }

  /** Not again before it resolves. */
  async write(piece: Buffer): Promise<void> {
    this.#hash.update(piece)
    this.#plainBytes += piece.length
    await new Promise<void>((resolve, reject) => {
      this.#zstd.write(piece, error => (error ? reject(error) : resolve()))
    })
  }

  async end(last: Buffer): Promise<{ id: Buffer; compressed: Buffer; plainBytes: number }> {
    await this.write(last)
    const ended = once(this.#zstd, 'end')
    this.#zstd.end()
    await ended
    return { id: this.#hash.digest(), compressed: join(this.#parts.splice(0)), plainBytes: this.#plainBytes }
  }
}

/** In memory of its own, which is given away to another thread. */
function join(parts: readonly Buffer[]): Buffer {
  const out = Buffer.allocUnsafeSlow(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) at += part.copy(out, at)
  return out
}
