import type { Clock } from '../../base/clock.ts'
import type { RepositoryFiles } from '../files/repository-files.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { SavedPack } from '../pack/pack-writer.ts'
import type { WorkerPool } from '../workers/pool.ts'
import type { Failure } from './failure.ts'

const BLOBS_AN_INDEX = 25_000
/** What no index names is stored again after a kill. Blobs may be long and lines slow, so time counts too. */
const INDEX_EVERY_MS = 5 * 60_000

export interface IndexWriterOptions {
  readonly files: RepositoryFiles
  readonly index: BlobIndex
  readonly workers: Pick<WorkerPool, 'index'>
  readonly failure: Failure
  readonly clock: Clock
  /** Called for the packs of an index file once that is stored. */
  readonly onIndexed: (entries: readonly Uint8Array[]) => void
}

/** Stores index files for packs that were added. An index file never names a pack that is not durable. */
export class IndexWriter {
  readonly #options: IndexWriterOptions
  #saved: SavedPack[] = []
  #savedBlobs = 0
  #writtenAtMs: number
  #writing: Promise<void> = Promise.resolve()

  constructor(options: IndexWriterOptions) {
    this.#options = options
    this.#writtenAtMs = options.clock.monotonicMs()
  }

  /** @param pack is durable */
  add(pack: SavedPack): void {
    this.#saved.push(pack)
    this.#savedBlobs += pack.blobs
    const ageMs = this.#options.clock.monotonicMs() - this.#writtenAtMs
    if (this.#savedBlobs >= BLOBS_AN_INDEX || ageMs >= INDEX_EVERY_MS) this.#start()
  }

  /** Writes the index of everything that was added so far. */
  async flush(): Promise<void> {
    this.#start()
    await this.#writing
  }

  #start(): void {
    if (this.#saved.length === 0) return
    const packs = this.#saved
    this.#saved = []
    this.#savedBlobs = 0
    this.#writtenAtMs = this.#options.clock.monotonicMs()
    this.#writing = this.#writing.then(() => this.#write(packs))
    this.#options.failure.follow(this.#writing)
  }

  async #write(packs: readonly SavedPack[]): Promise<void> {
    const { files, index, workers, failure, onIndexed } = this.#options
    failure.check()
    const { id, sealed } = await workers.index({ packs })
    await files.saveSealed('index', id, sealed, failure.signal)
    await index.addIndexFile(id, packs)
    onIndexed(packs.map(({ entries }) => entries))
  }
}
