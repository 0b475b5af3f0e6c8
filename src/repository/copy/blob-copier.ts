import { forEachLimit } from '../../base/concurrency.ts'
import type { AppError } from '../../base/errors.ts'
import type { Id, TreeNode } from '../../model/node.ts'
import { Damage } from '../check/damage.ts'
import type { BlobType } from '../contract/blob.ts'
import type { CopyOptions } from '../contract/copying.ts'
import type { RepositoryFiles } from '../files/repository-files.ts'
import { shortId } from '../format/file-keys.ts'
import type { KeyMaterial } from '../format/key-file.ts'
import type { PackedBlob } from '../format/pack-header.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { BlobLocation } from '../index-store/segment.ts'
import { BlobMover } from '../pack/move-blobs.ts'
import { IdTable } from '../read/id-table.ts'
import { loadRange } from '../read/load-range.ts'
import { type PackRange, planRanges, rangeLimitsOf } from '../read/ranges.ts'
import type { Reader } from '../read/reader.ts'
import { RecycledMemory } from '../read/recycled-memory.ts'
import { walkTrees } from '../read/walk-trees.ts'
import type { Session, SessionParts } from '../write/session.ts'

/** The repository that is copied from. */
export interface CopySource {
  readonly reader: Reader
  readonly index: BlobIndex
  readonly files: RepositoryFiles
  readonly keys: KeyMaterial
}

/** Places that are looked up before any is read, so that what lies together is read together. One takes some 400 bytes. */
const QUEUED_BLOBS = 8 * 1024
/** What a version without compression stores may be far longer than what is read. */
const MAX_PLAIN_BYTES = 16 * 1024 * 1024
/** Of all loads together. */
const LOADED_BYTES = 16 * 1024 * 1024
const HINT = 'Run "lifeboat check --read-data" on the repository that is copied from.'

/** Copies what trees need and the other repository does not have. */
export class BlobCopier {
  /** What the source cannot give back. */
  readonly damage = new Damage()
  copied = 0
  /** Sealed bytes of what was found to be needed. */
  bytesWanted = 0
  bytesRead = 0
  readonly #source: CopySource
  readonly #session: Session
  readonly #options: CopyOptions
  readonly #mover: BlobMover
  readonly #loads: number
  readonly #memory: RecycledMemory
  readonly #seenTrees = new IdTable()
  readonly #badPacks = new Map<Id, number>()
  readonly #id = Buffer.alloc(32)
  #queue: BlobLocation[] = []
  /** In no index of the source. */
  #missing: Array<Pick<PackedBlob, 'type' | 'id'>> = []
  #moving: Promise<void> = Promise.resolve()

  constructor(source: CopySource, to: SessionParts & { readonly session: Session }, options: CopyOptions) {
    const { context, workers, session } = to
    const { packs, failure } = session
    const { reader, keys } = source
    this.#source = source
    this.#session = session
    this.#options = options
    const { signal } = failure
    this.#mover = new BlobMover({ from: reader, fromKeys: keys, tools: context, workers, packs, signal })
    const { traits } = reader.storage
    const most = Math.floor(LOADED_BYTES / rangeLimitsOf(traits).maxBytes)
    this.#loads = Math.min(most, Math.max(workers.size + 1, traits.concurrency))
    this.#memory = new RecycledMemory(this.#loads)
  }

  /** Trees that were met before are passed over. Some of the blobs may still be on their way when this resolves. */
  async copyTree(root: Id): Promise<void> {
    await walkTrees(
      this.#source.reader,
      [root],
      {
        signal: this.#session.failure.signal,
        onTree: (id, nodes) => this.#wantTree(id, nodes),
        onDamaged: (id, error) => this.#loseTree(id, error),
      },
      this.#seenTrees,
    )
  }

  /** Resolves when all that is needed is in packs, which need not be stored yet. */
  async finish(): Promise<void> {
    this.#moveQueue()
    await this.#moving
  }

  async #wantTree(id: Id, nodes: Iterable<TreeNode>): Promise<void> {
    this.#want('tree', id)
    for (const node of nodes) {
      for (const blob of node.content ?? []) {
        this.#want('data', blob)
        if (this.#queue.length + this.#missing.length < QUEUED_BLOBS) continue
        this.#moveQueue()
        await this.#moving
      }
    }
  }

  #want(type: BlobType, id: Id): void {
    this.#id.write(id, 'hex')
    if (!this.#session.known.claim(type, this.#id, 0)) return
    const place = this.#source.index.find(type, id)
    if (place === undefined) {
      this.#missing.push({ type, id })
      return
    }
    this.bytesWanted += place.length
    this.#queue.push(place)
  }

  /** One after the other: memory is bounded by what one of them has under way. */
  #moveQueue(): void {
    const places = this.#queue
    const missing = this.#missing
    this.#queue = []
    this.#missing = []
    this.#moving = this.#moving.then(() => this.#move(places, missing))
    // Whoever waits for it gets the error.
    this.#moving.catch(() => {})
  }

  async #move(places: readonly BlobLocation[], missing: ReadonlyArray<Pick<PackedBlob, 'type' | 'id'>>): Promise<void> {
    const limits = { ...rangeLimitsOf(this.#source.reader.storage.traits), maxPlainBytes: MAX_PLAIN_BYTES }
    await forEachLimit(planRanges(places, limits), this.#loads, async range => {
      this.#session.failure.check()
      const lost = await this.#moveRange(range)
      for (const blob of lost) this.#loseIn(range.packId, blob)
      this.copied += range.parts.length - lost.length
      this.#options.onProgress?.({ step: 'copy', done: this.bytesRead, total: undefined, unit: 'bytes' })
    })
    for (const blob of missing) await this.#moveMissing(blob)
  }

  async #moveRange(range: PackRange<BlobLocation>): Promise<readonly PackedBlob[]> {
    const { storage } = this.#source.reader
    const into = this.#memory.take(range.length)
    const bytes = await loadRange(storage, range, this.#session.failure.signal, into)
    if (bytes instanceof Uint8Array) {
      this.bytesRead += bytes.length
      const { lost, memory } = await this.#mover.move(bytes, range.offset, range.parts)
      this.#memory.give(memory)
      return lost
    }
    const lost: PackedBlob[] = []
    for (const part of range.parts) if (!(await this.#mover.moveFromAnywhere(part))) lost.push(part)
    return lost
  }

  async #moveMissing({ type, id }: Pick<PackedBlob, 'type' | 'id'>): Promise<void> {
    if (await this.#mover.moveFromAnywhere({ type, id })) this.copied++
    else this.#loseMissing(type, id)
  }

  #loseIn(pack: Id, { type, id }: PackedBlob): void {
    const known = this.#badPacks.get(pack)
    const number =
      known ??
      this.damage.add({
        severity: 'error',
        code: 'pack-damaged',
        subject: `pack ${shortId(pack)}`,
        message: 'blobs in the pack are damaged; snapshots that need them were not copied',
        hint: HINT,
      })
    this.#badPacks.set(pack, number)
    this.damage.addLost(number, type, id)
  }

  #loseMissing(type: BlobType, id: Id): void {
    const subject = `${type} blob ${shortId(id)}`
    const message = 'the blob is in no index; snapshots that need it were not copied'
    const number = this.damage.add({ severity: 'error', code: 'blob-missing', subject, message, hint: HINT })
    this.damage.addLost(number, type, id)
  }

  #loseTree(id: Id, error: AppError): void {
    const subject = `tree ${shortId(id)}`
    const message = `${error.message}; snapshots that need it were not copied`
    const number = this.damage.add({ severity: 'error', code: 'tree-damaged', subject, message, hint: HINT })
    this.damage.addLost(number, 'tree', id)
  }
}
