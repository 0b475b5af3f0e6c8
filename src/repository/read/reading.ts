import { isAppError } from '../../base/errors.ts'
import type { Id, TreeNode } from '../../model/node.ts'
import type { Kept } from '../cache/kept.ts'
import type { DamageRecord } from '../check/damage-record.ts'
import { NotedDamage } from '../check/noted-damage.ts'
import type { BlobSize, BlobType, FileType } from '../contract/blob.ts'
import type { Contents } from '../contract/reading.ts'
import type { FileToWrite, RestoreOptions, WrittenBytes } from '../contract/restoring.ts'
import type { RepositoryContext, RepositoryFiles } from '../files/repository-files.ts'
import { CONFIG_KEY, fileKey } from '../format/file-keys.ts'
import { invalid } from '../format/json.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { MarkFolder } from '../marks/mark-folder.ts'
import { HealedStorage } from '../parity/healed-storage.ts'
import { restoreFiles } from '../restore/restore-files.ts'
import { plaintextLength } from './blob-table.ts'
import { loadBlob } from './load-blob.ts'
import { loadTree } from './load-tree.ts'
import { isStorageError, type OpenOther, OtherReaders } from './others.ts'
import { checkContent, readContent } from './read-content.ts'
import type { OtherReader, Reader, ReadingWorkers } from './reader.ts'

export interface ReadingParts {
  readonly context: RepositoryContext
  readonly files: RepositoryFiles
  readonly index: BlobIndex
  readonly workers: ReadingWorkers
  readonly record: DamageRecord
  readonly marks: MarkFolder | undefined
  readonly kept: Kept | undefined
  /** Asked for what this one cannot give back; undefined: there is none to ask. */
  readonly others?: readonly OpenOther[] | undefined
}

/** So much to restore that it is worth starting threads while the index is brought up to date. */
const MUCH_BYTES = 32 * 1024 * 1024

/**
 * Reads what snapshots hold. The index is brought up to date before the first read, and again when something is not
 * where it says: another process may have added a snapshot or pruned since. What is damaged is put on record. Others are
 * asked only then.
 */
export class Reading implements Contents {
  readonly #parts: ReadingParts
  /** Of this repository alone. */
  readonly #own: Reader
  readonly #reader: Reader
  readonly #noted: NotedDamage
  #refreshing: Promise<void> | undefined

  constructor(parts: ReadingParts) {
    this.#parts = parts
    this.#noted = new NotedDamage(parts.record)
    const { context, index, workers, marks, kept, others } = parts
    const healed = new HealedStorage(context.storage)
    this.#own = { ...context, index, workers, marks, keptPacks: kept?.packs, noted: this.#noted, healed }
    this.#reader = others ? { ...this.#own, others: new OtherReaders(others) } : this.#own
  }

  loadTree(id: Id): Promise<Iterable<TreeNode>> {
    return this.#fresh(reader => loadTree(reader, id))
  }

  loadBlob(type: BlobType, id: Id): Promise<Buffer> {
    return this.#fresh(reader => loadBlob(reader, type, id))
  }

  readContent(content: readonly Id[], signal?: AbortSignal): AsyncGenerator<Buffer> {
    return this.#through(content, () => readContent(this.#reader, content, signal))
  }

  async loadContent(content: readonly Id[], signal?: AbortSignal): Promise<Buffer> {
    const contents = this.#parts.kept?.contents
    const known = contents?.load(content)
    if (known) return known
    const parts: Buffer[] = []
    for await (const part of this.readContent(content, signal)) parts.push(part)
    await contents?.keep(content, parts)
    return Buffer.concat(parts)
  }

  checkContent(content: readonly Id[], signal?: AbortSignal): AsyncGenerator<number> {
    return this.#through(content, () => checkContent(this.#reader, content, signal))
  }

  async restoreFiles(files: Iterable<FileToWrite>, options: RestoreOptions): Promise<WrittenBytes> {
    const pending = files[Symbol.iterator]()
    const first = pending.next()
    if (!first.done && first.value.sizeBytes > MUCH_BYTES) this.#parts.workers.warmUp()
    // Always: a restore begins with a snapshot that may be younger than what is known.
    await this.#unlessHelped(this.#refreshAgain())
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

  /** As another repository's helper. Its own damage is put on record by its own reads. */
  async asOther(onTaken: OtherReader['onTaken']): Promise<OtherReader> {
    await this.#refreshAgain()
    return { reader: this.#own, onTaken }
  }

  async *#through<T>(content: readonly Id[], read: () => AsyncGenerator<T>): AsyncGenerator<T> {
    await this.#unlessHelped(this.#refresh())
    if (content.some(id => !this.#parts.index.has('data', id))) await this.#unlessHelped(this.#refreshAgain())
    try {
      yield* read()
    } finally {
      await this.#noted.keep()
    }
  }

  /** Others are asked once a second look here has not found it. */
  async #fresh<T>(read: (reader: Reader) => Promise<T>): Promise<T> {
    try {
      await this.#refresh()
      return await read(this.#own)
    } catch (error) {
      if (!isAppError(error, 'damaged') && !(this.#isHelped && isStorageError(error))) throw error
      await this.#unlessHelped(this.#refreshAgain())
      return await read(this.#reader)
    } finally {
      await this.#noted.keep()
    }
  }

  get #isHelped(): boolean {
    return this.#parts.others !== undefined
  }

  /** Where others are asked, an index that cannot be loaded is one that knows nothing more. */
  async #unlessHelped(refreshing: Promise<void>): Promise<void> {
    try {
      await refreshing
    } catch (error) {
      if (!this.#isHelped || !isStorageError(error)) throw error
    }
  }

  #refresh(): Promise<void> {
    const { index } = this.#parts
    // A writing may have brought it up to date.
    if (index.isLoaded) this.#refreshing ??= Promise.resolve()
    return this.#refreshOnce()
  }

  #refreshOnce(): Promise<void> {
    this.#refreshing ??= this.#parts.index.refresh().catch((error: unknown) => {
      this.#refreshing = undefined
      throw error
    })
    return this.#refreshing
  }

  #refreshAgain(): Promise<void> {
    this.#refreshing = undefined
    return this.#refreshOnce()
  }
}

/** What an iterator gives from a result on that was taken from it before. */
function* continued<T>(first: IteratorResult<T>, rest: Iterator<T>): Generator<T> {
  for (let next = first; !next.done; next = rest.next()) yield next.value
}
