import { isAppError } from '../../base/errors.ts'
import type { Id, TreeNode } from '../../model/node.ts'
import type { DamageRecord } from '../check/damage-record.ts'
import { NotedDamage } from '../check/noted-damage.ts'
import type { BlobSize, BlobType, FileType } from '../contract/blob.ts'
import type { FileToWrite, RestoreOptions, WrittenBytes } from '../contract/restoring.ts'
import type { RepositoryContext, RepositoryFiles } from '../files/repository-files.ts'
import { CONFIG_KEY, fileKey } from '../format/file-keys.ts'
import { invalid } from '../format/json.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { MarkFolder } from '../marks/mark-folder.ts'
import { restoreFiles } from '../restore/restore-files.ts'
import { plaintextLength } from './blob-table.ts'
import { loadBlob } from './load-blob.ts'
import { loadTree } from './load-tree.ts'
import { checkContent, readContent } from './read-content.ts'
import type { Reader, ReadingWorkers } from './reader.ts'

export interface ReadingParts {
  readonly context: RepositoryContext
  readonly files: RepositoryFiles
  readonly index: BlobIndex
  readonly workers: ReadingWorkers
  readonly record: DamageRecord
  readonly marks: MarkFolder | undefined
}

/** So much to restore that it is worth starting threads while the index is brought up to date. */
const MUCH_BYTES = 32 * 1024 * 1024

/**
 * Reads what snapshots hold. The index is brought up to date before the first read, and again when something is not
 * where it says: another process may have added a snapshot or pruned since. What is damaged is put on record.
 */
export class Reading {
  readonly #parts: ReadingParts
  readonly #reader: Reader
  readonly #noted: NotedDamage
  #refreshing: Promise<void> | undefined

  constructor(parts: ReadingParts) {
    this.#parts = parts
    this.#noted = new NotedDamage(parts.record)
    const { context, index, workers, marks } = parts
    this.#reader = { ...context, index, workers, marks, noted: this.#noted }
  }

  loadTree(id: Id): Promise<Iterable<TreeNode>> {
    return this.#fresh(() => loadTree(this.#reader, id))
  }

  loadBlob(type: BlobType, id: Id): Promise<Buffer> {
    return this.#fresh(() => loadBlob(this.#reader, type, id))
  }

  readContent(content: readonly Id[], signal?: AbortSignal): AsyncGenerator<Buffer> {
    return this.#through(content, () => readContent(this.#reader, content, signal))
  }

  checkContent(content: readonly Id[], signal?: AbortSignal): AsyncGenerator<number> {
    return this.#through(content, () => checkContent(this.#reader, content, signal))
  }

  async restoreFiles(files: Iterable<FileToWrite>, options: RestoreOptions): Promise<WrittenBytes> {
    const pending = files[Symbol.iterator]()
    const first = pending.next()
    if (!first.done && first.value.sizeBytes > MUCH_BYTES) this.#parts.workers.warmUp()
    // Always: a restore begins with a snapshot that may be younger than what is known.
    await this.#refreshAgain()
    try {
      return await restoreFiles(this.#reader, continued(first, pending), options)
    } finally {
      await this.#noted.keep()
    }
  }

  async findBlobSizes(type: BlobType, ids: readonly Id[]): Promise<Array<BlobSize | undefined>> {
    await this.#refresh()
    const { index } = this.#parts
    return ids.map(id => {
      const place = index.find(type, id)
      return place && { plainBytes: plaintextLength(place), storedBytes: place.length }
    })
  }

  /** Key files are JSON as they are; the others are opened; a pack is its bytes. */
  async loadFile(type: FileType, id: Id): Promise<Buffer> {
    const { context, files } = this.#parts
    if (type === 'index' || type === 'snapshot' || type === 'lock') return Buffer.from(await files.load(type, id))
    if (type !== 'config') return context.storage.load(fileKey(type, id))
    const config = context.cipher.open(await context.storage.load(CONFIG_KEY))
    if (config === undefined) throw invalid('config', 'its seal is broken')
    return config
  }

  async *#through<T>(content: readonly Id[], read: () => AsyncGenerator<T>): AsyncGenerator<T> {
    await this.#refresh()
    if (content.some(id => !this.#parts.index.has('data', id))) await this.#refreshAgain()
    try {
      yield* read()
    } finally {
      await this.#noted.keep()
    }
  }

  async #fresh<T>(read: () => Promise<T>): Promise<T> {
    await this.#refresh()
    try {
      return await read()
    } catch (error) {
      if (!isAppError(error, 'damaged')) throw error
      await this.#refreshAgain()
      return await read()
    } finally {
      await this.#noted.keep()
    }
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#parts.index.refresh().catch((error: unknown) => {
      this.#refreshing = undefined
      throw error
    })
    return this.#refreshing
  }

  #refreshAgain(): Promise<void> {
    this.#refreshing = undefined
    return this.#refresh()
  }
}

/** What an iterator gives from a result on that was taken from it before. */
function* continued<T>(first: IteratorResult<T>, rest: Iterator<T>): Generator<T> {
  for (let next = first; !next.done; next = rest.next()) yield next.value
}
