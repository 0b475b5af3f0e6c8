import { AppError, isAppError } from '../../base/errors.ts'
import type { Id, TreeNode } from '../../model/node.ts'
import { findLostBlobs } from '../check/bad-places.ts'
import type { DamageRecord } from '../check/damage-record.ts'
import type { RepositoryContext, RepositoryFiles } from '../files/repository-files.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { LockRequest } from '../lock/acquire.ts'
import type { WritingLock } from '../lock/writing-lock.ts'
import type { MarkFolder } from '../marks/mark-folder.ts'
import type {
  BlobType,
  NewSnapshot,
  ReadableContent,
  Snapshot,
  WriteContentOptions,
  Writing,
  WritingProgress,
  WrittenContent,
} from '../repository.ts'
import type { SnapshotStore } from '../snapshots/snapshot-store.ts'
import type { WorkerPool } from '../workers/pool.ts'
import { BlobSink } from './blob-sink.ts'
import { ContentWriter } from './content-writer.ts'
import { Failure } from './failure.ts'
import type { KnownBlobs } from './known-blobs.ts'
import { PackSaver } from './pack-saver.ts'
import { requirePacks } from './relied-on.ts'
import { NODES_A_RUN, TreeWriter } from './tree-writer.ts'

export interface WritingParts {
  readonly context: RepositoryContext
  readonly files: RepositoryFiles
  readonly index: BlobIndex
  readonly snapshots: SnapshotStore
  readonly workers: WorkerPool
  readonly lock: LockRequest
  readonly record: DamageRecord
  readonly marks: MarkFolder | undefined
  readonly signal: AbortSignal
}

let writings = 0

/** A backup under way. It owns its lock. */
export class RunningWriting implements Writing {
  readonly #parts: WritingParts
  readonly #lock: WritingLock
  readonly #locked: Promise<void>
  readonly #failure: Failure
  readonly #known: KnownBlobs
  readonly #saver: PackSaver
  readonly #sink: BlobSink
  readonly #contents: ContentWriter
  readonly #distrusted = new Set<Id>()
  readonly #missingBefore: ReadonlySet<Id>
  #ended: Promise<void> | undefined

  /** @param missingBefore packs that were not there any more when the writing began */
  constructor(parts: WritingParts, lock: WritingLock, known: KnownBlobs, missingBefore: ReadonlySet<Id>) {
    const { context, index, workers } = parts
    this.#parts = parts
    this.#lock = lock
    this.#missingBefore = missingBefore
    const failure = new Failure(parts.signal, lock.lost)
    this.#failure = failure
    this.#known = known
    const onIndexed = (packs: readonly Uint8Array[]): void => known.forget(packs)
    const locked = lock.settled.then(() => known.trustIndex())
    locked.catch(() => {})
    this.#locked = locked
    this.#saver = new PackSaver({ storage: context.storage, index, workers, failure, locked, onIndexed })
    const writing = writings++
    this.#sink = new BlobSink({ writing, known, saver: this.#saver, workers, failure })
    this.#contents = new ContentWriter({ writing, sink: this.#sink, workers, failure, known, marks: parts.marks })
  }

  get progress(): WritingProgress {
    return {
      bytesRead: this.#contents.bytesRead,
      bytesNew: this.#sink.bytesNew,
      bytesStored: this.#saver.bytesStored,
      dataBlobsNew: this.#sink.blobsNew.data,
      treeBlobsNew: this.#sink.blobsNew.tree,
    }
  }

  async writeContent(content: ReadableContent, options: WriteContentOptions = {}): Promise<WrittenContent> {
    this.#failure.check()
    return this.#contents.write(content, options)
  }

  warmUp(): void {
    this.#parts.workers.warmUp()
  }

  async hasContent(content: readonly Id[]): Promise<boolean> {
    this.#failure.check()
    return this.#known.hasAll('data', content)
  }

  distrust(type: BlobType, id: Id): void {
    const { index } = this.#parts
    // What broke one blob seldom stopped there: nothing of its packs is relied on.
    const packs = index.findAll(type, id).map(place => place.packId)
    if (packs.every(pack => this.#distrusted.has(pack))) return
    for (const pack of packs) this.#distrusted.add(pack)
    this.#known.distrust(findLostBlobs(index, { packs: this.#distrusted, copies: new Set() }))
  }

  async saveTree(nodes: readonly TreeNode[]): Promise<Id> {
    const tree = this.startTree()
    await tree.add(nodes)
    return await tree.finish()
  }

  startTree(): TreeWriter {
    this.#failure.check()
    return new TreeWriter(this.#sink, this.#parts.context.version === 1 ? Number.POSITIVE_INFINITY : NODES_A_RUN)
  }

  async saveSnapshot(snapshot: NewSnapshot | (() => NewSnapshot)): Promise<Snapshot> {
    try {
      this.#failure.check()
      await this.#locked
      await this.#sink.flush()
      // Packs before index before snapshot: a reader that sees one of them finds what it names.
      await this.#saver.flushIndex()
      await this.#failure.settle()
      const { files, index, snapshots } = this.#parts
      await this.#lock.assertHeld()
      await requirePacks(files, index, this.#missingBefore)
      const wanted = typeof snapshot === 'function' ? snapshot() : snapshot
      const saved = await snapshots.save(wanted, this.#failure.signal)
      await this.#withdrawUnlessLocked(saved.id)
      return saved
    } finally {
      await this.abort()
    }
  }

  /** A machine may fall asleep between the look at the packs and the snapshot, for longer than a lock holds. */
  async #withdrawUnlessLocked(snapshot: Id): Promise<void> {
    try {
      await this.#lock.assertHeld()
    } catch (error) {
      if (isAppError(error, 'repository-locked')) await this.#parts.files.remove('snapshot', snapshot)
      throw error
    }
  }

  abort(): Promise<void> {
    this.#ended ??= this.#end()
    return this.#ended
  }

  async #end(): Promise<void> {
    this.#failure.set(new AppError('failed', 'the writing has ended'))
    await this.#sink.drop()
    await this.#failure.idle()
    await this.#lock.release()
  }
}
