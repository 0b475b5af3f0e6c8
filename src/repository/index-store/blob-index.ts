import { closeSync } from 'node:fs'
import { join } from 'node:path'
import { Semaphore } from '../../base/concurrency.ts'
import { AppError } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { BlobType } from '../contract/blob.ts'
import type { RepositoryFiles } from '../files/repository-files.ts'
import { shortId } from '../format/file-keys.ts'
import { type IndexedPack, parseIndex } from '../format/index-file.ts'
import { IdTable } from '../read/id-table.ts'
import { EntryCollector, readWords } from './entries.ts'
import { type BlobLocation, Segment } from './segment.ts'
import { SegmentFolder } from './segment-file.ts'

export interface BlobIndexOptions {
  readonly files: RepositoryFiles
  /** The repository's own cache folder; undefined keeps everything in memory. */
  readonly cacheDir: string | undefined
  readonly random: Random
  /** Entries (48 bytes each) to hold in memory; beyond that, lookups read the cache file. */
  readonly memoryEntries?: number | undefined
  /**
   * For who counts what packs hold: a pack that several index files name, as a prune that was killed leaves them, is taken
   * from the first. Only with a cache of its own, if any, and while nobody else can prune.
   */
  readonly eachPackOnce?: boolean | undefined
  /** Told of each index file that is loaded or added; may be told of one again. */
  readonly onFile?: ((id: Id, packs: readonly PackSize[]) => void) | undefined
}

export interface PackSize {
  readonly id: Id
  readonly blobs: number
}

const MEMORY_ENTRIES = 1_500_000
/** A lookup asks every segment, so there should be few; but a merge holds its segments in memory, twice. */
const MAX_SEGMENTS = 8
const MAX_MERGED_ENTRIES = 1_000_000
/** An index file has up to 50 000 entries, and they take several times their size before they are sorted. */
const FILES_A_ROUND = 4
const COLLECTED_ENTRIES = 250_000

interface Held {
  readonly segment: Segment
  /** Its file in the cache, if any. */
  readonly name: string | undefined
}

/** Which blobs the repository has, and where: all its index files, cached locally. */
export class BlobIndex {
  readonly #options: BlobIndexOptions
  readonly #folder: SegmentFolder | undefined
  readonly #turn = new Semaphore(1)
  readonly #key = new Uint32Array(8)
  readonly #keyBytes = Buffer.allocUnsafe(32)
  #held: Held[] = []
  #findings: readonly Finding[] = []
  #isLoaded = false
  #damagedIds: ReadonlySet<Id> = new Set()
  /** With `eachPackOnce`: files name packs that were taken from others. */
  #hasTwins = false

  constructor(options: BlobIndexOptions) {
    this.#options = options
    this.#folder =
      options.cacheDir === undefined ? undefined : new SegmentFolder(join(options.cacheDir, 'index'), options.random)
  }

  /** Was it brought up to date at least once? */
  get isLoaded(): boolean {
    return this.#isLoaded
  }

  /** Index files that could not be read, as of the last `refresh`; the others are used. */
  get findings(): readonly Finding[] {
    return this.#findings
  }

  /** Ids of the index files that could not be read, as of the last `refresh`. */
  get damagedIds(): ReadonlySet<Id> {
    return this.#damagedIds
  }

  /** Ids of the index files that are loaded. */
  get indexIds(): Id[] {
    return this.#held.flatMap(({ segment }) => segment.content.indexIds)
  }

  /** Entries, blobs that are stored twice counted twice. */
  get count(): number {
    return this.#held.reduce((sum, { segment }) => sum + segment.content.count, 0)
  }

  /** Makes this agree with the repository's index files now: new ones are loaded, removed ones dropped. */
  async refresh(signal?: AbortSignal): Promise<void> {
    // One after the other: two copies from here at once would each load what is missing.
    await this.#turn.run(async () => {
      const wanted = new Set(await this.#options.files.listIds('index'))
      await this.#dropOutdated(wanted)
      await this.#adoptCached(wanted)
      await this.#loadMissing(wanted, signal)
      await this.#mergeSegments()
      this.#isLoaded = true
    })
  }

  find(type: BlobType, id: Id): BlobLocation | undefined {
    this.#setKey(id)
    for (const { segment } of this.#held) {
      const found = segment.find(type, id, this.#key)
      if (found) return found
    }
    return undefined
  }

  /** Every copy of a blob: when one pack is damaged another may serve. */
  findAll(type: BlobType, id: Id): BlobLocation[] {
    this.#setKey(id)
    return this.#held.flatMap(({ segment }) => segment.findAll(type, id, this.#key))
  }

  has(type: BlobType, id: Id): boolean {
    this.#setKey(id)
    return this.#held.some(({ segment }) => segment.has(type, this.#key, 0))
  }

  /** As `has`, for the id's 32 bytes at an offset: no string is made. */
  hasBytes(type: BlobType, bytes: Buffer, offset: number): boolean {
    readWords(bytes, offset, this.#key, 0)
    for (const { segment } of this.#held) if (segment.has(type, this.#key, 0)) return true
    return false
  }

  /**
   * All places, each once, in no order. After a prune or repair that was killed two index files name the same pack: what it
   * holds is there once all the same.
   */
  *locations(): Generator<BlobLocation> {
    const again = this.#packsNamedAgain()
    for (const [at, { segment }] of this.#held.entries()) {
      if (again.size === 0) yield* segment.locations()
      else yield* this.#notNamedBefore(segment, at, again)
    }
  }

  /** Of those in packs that are named again. */
  *#notNamedBefore(segment: Segment, at: number, again: ReadonlySet<Id>): Generator<BlobLocation> {
    // A segment is sorted by id: places of one blob follow each other.
    let id: Id = ''
    const seen = new Set<string>()
    for (const place of segment.locations()) {
      if (again.has(place.packId)) {
        if (place.id !== id) seen.clear()
        id = place.id
        const key = `${place.type} ${place.packId} ${place.offset}`
        if (seen.has(key) || this.#isInEarlier(place, at)) continue
        seen.add(key)
      }
      yield place
    }
  }

  #isInEarlier({ type, id, packId, offset }: BlobLocation, at: number): boolean {
    this.#setKey(id)
    const earlier = this.#held.slice(0, at)
    return earlier.some(({ segment }) =>
      segment.findAll(type, id, this.#key).some(place => place.packId === packId && place.offset === offset),
    )
  }

  #packsNamedAgain(): Set<Id> {
    const once = new Set<Id>()
    const again = new Set<Id>()
    for (const { segment } of this.#held) {
      const hex = segment.content.packIds.toString('hex')
      for (let at = 0; at < hex.length; at += 64) {
        const pack = hex.slice(at, at + 64)
        if (once.has(pack)) again.add(pack)
        else once.add(pack)
      }
    }
    return again
  }

  /** Packs that the index files name, each once. */
  packIds(): Set<Id> {
    const ids = new Set<Id>()
    for (const { segment } of this.#held) {
      const hex = segment.content.packIds.toString('hex')
      for (let at = 0; at < hex.length; at += 64) ids.add(hex.slice(at, at + 64))
    }
    return ids
  }

  /** Takes in an index file that this process has just saved, from its packs' headers (plaintext). */
  async addIndexFile(indexId: Id, packs: readonly (PackSize & { readonly entries: Uint8Array })[]): Promise<void> {
    const collector = new EntryCollector()
    for (const pack of packs) collector.addPackEntries(pack.id, pack.entries)
    this.#options.onFile?.(indexId, packs)
    await this.#add(collector, [indexId])
    await this.#mergeSegments()
  }

  close(): void {
    for (const held of this.#held) release(held)
    this.#held = []
  }

  #setKey(id: Id): void {
    this.#keyBytes.write(id, 'hex')
    readWords(this.#keyBytes, 0, this.#key, 0)
  }

  async #dropOutdated(wanted: ReadonlySet<Id>): Promise<void> {
    const whole = this.#held.filter(held => held.segment.content.indexIds.every(id => wanted.has(id)))
    const isAnew = this.#hasTwins && whole.length < this.#held.length
    const keep = isAnew ? [] : whole
    for (const held of this.#held) {
      if (keep.includes(held)) continue
      release(held)
      // What the others lack, because one that goes had it, must not come back without it.
      if (isAnew && held.name !== undefined) await this.#folder?.remove(held.name)
    }
    this.#held = keep
    if (isAnew) this.#hasTwins = false
  }

  async #adoptCached(wanted: ReadonlySet<Id>): Promise<void> {
    const loaded = new Set(this.indexIds)
    const mine = new Set(this.#held.map(held => held.name))
    for (const name of (await this.#folder?.names()) ?? []) {
      if (mine.has(name)) continue
      const segment = this.#folder?.open(name, this.#memoryLeft())
      const useful = segment?.content.indexIds.every(id => wanted.has(id) && !loaded.has(id)) ?? false
      if (segment && useful) {
        this.#held.push({ segment, name })
        for (const id of segment.content.indexIds) loaded.add(id)
      } else {
        if (segment) release({ segment, name })
        await this.#folder?.remove(name)
      }
    }
  }

  async #loadMissing(wanted: ReadonlySet<Id>, signal: AbortSignal | undefined): Promise<void> {
    const loaded = new Set(this.indexIds)
    const missing = [...wanted].filter(id => !loaded.has(id))
    const damaged = new Map<Id, Finding>()
    const known = this.#options.eachPackOnce ? new IdTable() : undefined
    if (known && missing.length > 0) for (const id of this.packIds()) known.add(id)
    // In rounds, so that the memory for what is parsed but not sorted yet stays bounded.
    let collector = new EntryCollector()
    let ids: Id[] = []
    const collect = (id: Id, json: Uint8Array | AppError): void => {
      const packs = readIndex(id, json)
      if (packs === 'gone') return
      if (packs instanceof AppError) {
        damaged.set(id, damagedIndex(id, packs))
        return
      }
      ids.push(id)
      this.#options.onFile?.(id, packs.map(sizeOf))
      for (const pack of packs) {
        if (isFirst(pack.id, known)) collector.addPack(pack)
        else this.#hasTwins = true
      }
    }
    for (let at = 0; at < missing.length; at += FILES_A_ROUND) {
      await this.#options.files.loadEach('index', missing.slice(at, at + FILES_A_ROUND), collect, signal)
      if (collector.count < COLLECTED_ENTRIES && at + FILES_A_ROUND < missing.length) continue
      if (ids.length > 0) await this.#add(collector, ids)
      collector = new EntryCollector()
      ids = []
    }
    this.#findings = [...damaged.values()]
    this.#damagedIds = new Set(damaged.keys())
  }

  async #add(collector: EntryCollector, indexIds: readonly Id[]): Promise<void> {
    const sorted = collector.sort()
    const content = {
      indexIds,
      packIds: collector.packIds,
      starts: sorted.starts,
      bits: sorted.bits,
      count: collector.count,
      entries: sorted.words,
    }
    const name = await this.#folder?.save(content)
    const fromFile = name !== undefined && content.count > this.#memoryLeft() ? this.#folder?.open(name, 0) : undefined
    this.#held.push({ segment: fromFile ?? new Segment(content), name })
  }

  async #mergeSegments(): Promise<void> {
    if (this.#held.length <= MAX_SEGMENTS) return
    const bySize = [...this.#held].sort((a, b) => a.segment.content.count - b.segment.content.count)
    const merged: Held[] = []
    const collector = new EntryCollector()
    for (const held of bySize) {
      if (collector.count + held.segment.content.count > MAX_MERGED_ENTRIES) break
      collector.addSorted(held.segment.allWords(), held.segment.content.packIds)
      merged.push(held)
    }
    if (merged.length < 2) return
    const ids = merged.flatMap(({ segment }) => segment.content.indexIds)
    this.#held = this.#held.filter(held => !merged.includes(held))
    await this.#add(collector, ids)
    for (const held of merged) {
      release(held)
      if (held.name !== undefined) await this.#folder?.remove(held.name)
    }
  }

  #memoryLeft(): number {
    if (this.#folder === undefined) return Number.POSITIVE_INFINITY
    const used = this.#held.reduce((sum, { segment }) => sum + (segment.inMemory ? segment.content.count : 0), 0)
    return (this.#options.memoryEntries ?? MEMORY_ENTRIES) - used
  }
}

function readIndex(id: Id, json: Uint8Array | AppError): IndexedPack[] | AppError | 'gone' {
  try {
    if (json instanceof AppError) throw json
    return parseIndex(json, `index ${shortId(id)}`)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    // Another process's prune removes index files after it has written the new ones.
    return error.code === 'storage-not-found' ? 'gone' : error
  }
}

function isFirst(pack: Id, known: IdTable | undefined): boolean {
  const before = known?.size
  return known === undefined || known.add(pack) === before
}

const sizeOf = ({ id, blobs }: IndexedPack): PackSize => ({ id, blobs: blobs.length })

function damagedIndex(id: Id, error: AppError): Finding {
  return {
    severity: 'error',
    code: 'index-damaged',
    subject: `index ${shortId(id)}`,
    message: error.message,
    hint: 'Run "lifeboat repair index" to write the index anew from the packs.',
  }
}

function release(held: Held): void {
  const { entries } = held.segment.content
  if (!(entries instanceof Uint32Array)) closeSync(entries.fd)
}
