import type { Id, TreeNode } from '../../model/node.ts'
import { findLostBlobs } from '../check/bad-places.ts'
import type { BlobType } from '../contract/blob.ts'
import type { Snapshot } from '../contract/snapshot.ts'
import type {
  NewSnapshot,
  ReadableContent,
  WriteContentOptions,
  Writing,
  WritingProgress,
  WrittenContent,
} from '../contract/writing.ts'
import type { MarkFolder } from '../marks/mark-folder.ts'
import type { SnapshotStore } from '../snapshots/snapshot-store.ts'
import { BlobSink } from './blob-sink.ts'
import { ContentWriter } from './content-writer.ts'
import { Session, type SessionParts } from './session.ts'
import { NODES_A_RUN, TreeWriter } from './tree-writer.ts'

export interface WritingParts extends SessionParts {
  readonly snapshots: SnapshotStore
  readonly marks: MarkFolder | undefined
}

export async function startWriting(parts: WritingParts): Promise<Writing> {
  return new RunningWriting(parts, await Session.start(parts))
}

/** Tells the writings of one process apart. */
let writings = 0

/** @param parts gets what is read */
function listenedTo(content: ReadableContent, parts: Uint8Array[]): ReadableContent {
  return {
    sizeBytes: content.sizeBytes,
    cut: content.cut,
    read: async into => {
      const count = await content.read(into)
      parts.push(Uint8Array.from(into.subarray(0, count)))
      return count
    },
  }
}

/** A backup under way. */
class RunningWriting implements Writing {
  readonly #parts: WritingParts
  readonly #session: Session
  readonly #sink: BlobSink
  readonly #contents: ContentWriter
  /** Of what is read often. */
  readonly #often: { readonly sink: BlobSink; readonly contents: ContentWriter }
  readonly #numbers: number[] = []
  readonly #distrusted = new Set<Id>()
  #ended: Promise<void> | undefined

  constructor(parts: WritingParts, session: Session) {
    const { workers, marks } = parts
    const { known, packs, failure } = session
    this.#parts = parts
    this.#session = session
    const make = (sink: BlobSink) => {
      const writing = writings++
      this.#numbers.push(writing)
      return { sink, contents: new ContentWriter({ writing, sink, workers, failure, known, marks }) }
    }
    const usual = make(new BlobSink({ known, packs, workers, failure }))
    this.#sink = usual.sink
    this.#contents = usual.contents
    const isApart = parts.context.storage.archive !== undefined
    this.#often = isApart ? make(new BlobSink({ known, packs: packs.warm, workers, failure })) : usual
  }

  get progress(): WritingProgress {
    const { sink, contents } = this.#often
    const isApart = sink !== this.#sink
    return {
      bytesRead: this.#contents.bytesRead + (isApart ? contents.bytesRead : 0),
      bytesNew: this.#sink.bytesNew + (isApart ? sink.bytesNew : 0),
      bytesStored: this.#session.packs.bytesStored,
      dataBlobsNew: this.#sink.blobsNew.data + (isApart ? sink.blobsNew.data : 0),
      treeBlobsNew: this.#sink.blobsNew.tree,
    }
  }

  async writeContent(content: ReadableContent, options: WriteContentOptions = {}): Promise<WrittenContent> {
    this.#session.failure.check()
    const writer = options.isReadOften ? this.#often.contents : this.#contents
    const contents = options.isKept ? this.#parts.kept?.contents : undefined
    if (contents === undefined) return await writer.write(content, options)
    const parts: Uint8Array[] = []
    const written = await writer.write(listenedTo(content, parts), options)
    await contents.keep(written.content, parts)
    return written
  }

  warmUp(): void {
    this.#parts.workers.warmUp()
  }

  async hasContent(content: readonly Id[]): Promise<boolean> {
    this.#session.failure.check()
    return this.#session.known.hasAll('data', content)
  }

  distrust(type: BlobType, id: Id): void {
    const { index } = this.#parts
    // What broke one blob seldom stopped there: nothing of its packs is relied on.
    const packs = index.findAll(type, id).map(place => place.packId)
    if (packs.every(pack => this.#distrusted.has(pack))) return
    for (const pack of packs) this.#distrusted.add(pack)
    this.#session.known.distrust(findLostBlobs(index, { packs: this.#distrusted, copies: new Set() }))
  }

  async saveTree(nodes: readonly TreeNode[]): Promise<Id> {
    const tree = this.startTree()
    await tree.add(nodes)
    return await tree.finish()
  }

  startTree(): TreeWriter {
    this.#session.failure.check()
    return new TreeWriter(this.#sink, this.#parts.context.version === 1 ? Number.POSITIVE_INFINITY : NODES_A_RUN)
  }

  async saveSnapshot(snapshot: NewSnapshot | (() => NewSnapshot)): Promise<Snapshot> {
    const save = (signal: AbortSignal): Promise<Snapshot> =>
      this.#parts.snapshots.save(typeof snapshot === 'function' ? snapshot() : snapshot, signal)
    try {
      this.#session.failure.check()
      await this.#often.sink.flush()
      await this.#sink.flush()
      const [saved] = await this.#session.commit([save])
      if (saved === undefined) throw new TypeError('no snapshot was saved')
      return saved
    } finally {
      await this.abort()
    }
  }

  abort(): Promise<void> {
    this.#ended ??= this.#end()
    return this.#ended
  }

  async #end(): Promise<void> {
    await this.#session.end()
    const { lanes } = this.#parts.workers
    const drops = this.#numbers.flatMap(writing => lanes.map(lane => lane.run('drop', { writing }, [])))
    await Promise.allSettled(drops)
  }
}
