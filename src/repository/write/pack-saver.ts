import { Semaphore } from '../../base/concurrency.ts'
import type { Id } from '../../model/node.ts'
import type { Storage } from '../../storage/storage.ts'
import { fileKey } from '../format/file-keys.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { WorkerPool } from '../workers/pool.ts'
import type { Failure } from './failure.ts'
import type { FinishedPack } from './pack-builder.ts'

/** 4 MiB each: more at once would cost memory and bring nothing. */
const MAX_SAVES = 2
const BLOBS_AN_INDEX = 25_000

export interface PackSaverOptions {
  readonly storage: Storage
  readonly index: BlobIndex
  readonly workers: WorkerPool
  readonly failure: Failure
  /** Resolves when the repository's lock is certain: nothing is stored before. */
  readonly locked: Promise<void>
  /** Called for the packs of an index file once that is stored. */
  readonly onIndexed: (entries: readonly Uint8Array[]) => void
}

interface SavedPack {
  readonly id: Id
  readonly entries: Uint8Array
}

/** Stores packs, and index files for them. An index file never names a pack that is not durable. */
export class PackSaver {
  readonly #options: PackSaverOptions
  readonly #slots: Semaphore
  #saved: SavedPack[] = []
  #savedBlobs = 0
  #indexing: Promise<void> = Promise.resolve()
  bytesStored = 0

  constructor(options: PackSaverOptions) {
    this.#options = options
    this.#slots = new Semaphore(Math.min(MAX_SAVES, Math.max(1, options.storage.traits.concurrency)))
  }

  /** Waits while more packs are ready than can be stored: making more would only fill the memory. */
  async ready(): Promise<void> {
    await this.#slots.acquire()
    this.#slots.release()
  }

  /** Resolves when the save has begun; waits while too many are under way. */
  async save(pack: FinishedPack): Promise<void> {
    await this.#options.locked
    await this.#slots.acquire()
    this.#options.failure.follow(this.#store(pack).finally(() => this.#slots.release()))
  }

  /** Writes the index of everything that was saved so far. */
  async flushIndex(): Promise<void> {
    this.#startIndex()
    await this.#indexing
  }

  async #store(pack: FinishedPack): Promise<void> {
    const { storage, failure, workers } = this.#options
    failure.check()
    await storage.save(fileKey('pack', pack.id), pack.parts, { signal: failure.signal })
    this.bytesStored += pack.sizeBytes
    workers.recycle(pack.thread, new Uint8Array(pack.parts[0].buffer))
    this.#saved.push({ id: pack.id, entries: pack.entries })
    this.#savedBlobs += pack.blobs
    if (this.#savedBlobs >= BLOBS_AN_INDEX) this.#startIndex()
  }

  #startIndex(): void {
    if (this.#saved.length === 0) return
    const packs = this.#saved
    this.#saved = []
    this.#savedBlobs = 0
    this.#indexing = this.#indexing.then(() => this.#saveIndex(packs))
    this.#options.failure.follow(this.#indexing)
  }

  async #saveIndex(packs: readonly SavedPack[]): Promise<void> {
    const { storage, index, workers, failure, onIndexed } = this.#options
    failure.check()
    const { id, sealed } = await workers.run('index', { packs })
    await storage.save(fileKey('index', id), sealed, { signal: failure.signal })
    await index.addIndexFile(id, packs)
    onIndexed(packs.map(({ entries }) => entries))
  }
}
