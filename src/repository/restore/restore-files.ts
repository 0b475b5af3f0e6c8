import { forEachLimit, Semaphore } from '../../base/concurrency.ts'
import { throwIfAborted } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import type { FileToWrite, RestoreOptions, WrittenBytes } from '../contract/restoring.ts'
import { shortId } from '../format/file-keys.ts'
import type { BlobLocation } from '../index-store/segment.ts'
import { plaintextLength, toBlobTable } from '../read/blob-table.ts'
import { NO_INDEX } from '../read/load-blob.ts'
import { loadRangeOf } from '../read/others.ts'
import { type PackRange, planRanges, rangeLimitsOf } from '../read/ranges.ts'
import { healedReader, type OtherReader, type Reader } from '../read/reader.ts'
import { RecycledMemory } from '../read/recycled-memory.ts'
import { ContentMarks } from './content-marks.ts'
import { DamageReport, type LostBlob } from './damage.ts'
import { isComparable, runsOf, toCompareJob } from './differing.ts'
import { type Piece, planPieces } from './pieces.ts'
import { closeTarget, type Target, targetError } from './target.ts'
import { WRITE_COLUMNS, type WriteJob, type WriteOutcome } from './write-job.ts'

/** While one batch waits for its last loads, the next one is under way. */
const BATCHES_AT_ONCE = 2
const MAX_LOADS_AHEAD = 4
/** Their ranges are longer: of more only the memory grows. */
const FAR_LOADS_AHEAD = 2
/** What bounds the memory of a restore, whatever its size. */
const BATCH_PIECES = 1024
/** So that ranges can be as long as a far storage likes them. */
const FAR_BATCH_PIECES = 2048

/** A stored blob and all places it goes to. */
interface Wanted extends BlobLocation {
  readonly pieces: Piece[]
}

/**
 * Writes files in parallel. Each range of a pack is loaded once a batch; workers open, check and write the blobs. What
 * is damaged is looked for in other packs, then in the reader's other repositories, else left out: all the rest is
 * written, and `damaged` at the end names every file that is not whole. Repeated with `delta` it goes on where it was.
 */
export async function restoreFiles(
  reader: Reader,
  files: Iterable<FileToWrite>,
  options: RestoreOptions,
): Promise<WrittenBytes> {
  return new Restoration(reader, options).run(files)
}

class Restoration {
  readonly #reader: Reader
  readonly #options: RestoreOptions
  readonly #open = new Map<number, Target>()
  readonly #damage = new DamageReport()
  /** What is wrong with blobs that could not be had yet. */
  readonly #reasons = new Map<Id, LostBlob>()
  readonly #loadsAtOnce: number
  /** Over all batches, and with it the memory for what was loaded. */
  readonly #loads: Semaphore
  readonly #memory: RecycledMemory
  readonly #marks: ContentMarks
  #totalBytes = 0
  #writtenBytes = 0

  constructor(reader: Reader, options: RestoreOptions) {
    this.#reader = reader
    this.#options = options
    const { isFar, concurrency } = reader.storage.traits
    this.#loadsAtOnce = reader.workers.size + Math.min(concurrency, isFar ? FAR_LOADS_AHEAD : MAX_LOADS_AHEAD)
    this.#loads = new Semaphore(this.#loadsAtOnce)
    this.#memory = new RecycledMemory(this.#loadsAtOnce)
    this.#marks = new ContentMarks(reader.marks)
  }

  async run(files: Iterable<FileToWrite>): Promise<WrittenBytes> {
    const batches = planPieces(files, {
      find: id => this.#reader.index.find('data', id),
      onOpened: target => this.#open.set(target.descriptor, target),
      findElsewhere: id => this.#findElsewhere(id),
      onMissing: (target, id) => this.#damage.add(target.path, { blob: id, reason: NO_INDEX }),
      onPlanned: target => this.#closeIfDone(target),
      batchPieces: this.#reader.storage.traits.isFar ? FAR_BATCH_PIECES : BATCH_PIECES,
    })
    try {
      await forEachLimit(batches, BATCHES_AT_ONCE, batch => this.#restoreBatch(batch))
    } finally {
      for (const target of this.#open.values()) closeTarget(target, false)
    }
    this.#damage.throwIfAny()
    return this.#progress()
  }

  async #restoreBatch(batch: readonly Piece[]): Promise<void> {
    const wanted = batch.filter(piece => !isComparable(piece))
    const runs = runsOf(batch.filter(isComparable))
    await forEachLimit(runs, this.#reader.workers.size + 1, async run => {
      throwIfAborted(this.#options.signal)
      const marks = await this.#marks.of(run)
      const differs = await this.#reader.workers.compare(toCompareJob(run, marks))
      const same = run.filter((_, at) => differs[at] === 0)
      wanted.push(...run.filter((_, at) => differs[at] !== 0))
      this.#done(same)
    })
    await this.#fetch(wanted)
  }

  async #findElsewhere(id: Id): Promise<BlobLocation | undefined> {
    for await (const { reader } of this.#reader.others?.usable() ?? []) {
      const place = reader.index.find('data', id)
      if (place) return place
    }
    return undefined
  }

  async #fetch(pieces: readonly Piece[]): Promise<void> {
    const { others } = this.#reader
    let left = await this.#fetchFrom(this.#reader, pieces)
    const healing = healedReader(this.#reader)
    if (left.length > 0 && healing) left = await this.#fetchFrom(healing, left)
    if (left.length > 0 && others) {
      for await (const other of others.usable()) {
        left = await this.#fetchFrom({ ...other.reader, others }, left, other)
        if (left.length === 0) break
      }
    }
    this.#giveUp(left)
  }

  /** Gives back those that no pack of this repository has whole. */
  async #fetchFrom(reader: Reader, pieces: readonly Piece[], other?: OtherReader): Promise<Piece[]> {
    const gone: Piece[] = []
    for (let copy = 0, left = pieces; left.length > 0; copy++) {
      const again: Piece[] = []
      const places = placesOf(reader, left, { copy, isOther: other !== undefined, gone })
      const ranges = planRanges(places, rangeLimitsOf(reader.storage.traits))
      await forEachLimit(ranges, this.#loadsAtOnce, async range => {
        again.push(...(await this.#loads.run(() => this.#writeRange(reader, range, other))))
      })
      left = again
    }
    return gone
  }

  /** Returns the pieces that could not be had from this pack. */
  async #writeRange(reader: Reader, range: PackRange<Wanted>, other: OtherReader | undefined): Promise<Piece[]> {
    throwIfAborted(this.#options.signal)
    const into = this.#memory.take(range.length)
    const bytes = await loadRangeOf(reader, range, this.#options.signal, into)
    if (!(bytes instanceof Uint8Array)) {
      if (bytes.isCut) reader.noted?.addPack(range.packId)
      return this.#lost(range.parts, bytes.reason, other)
    }
    const outcome = await reader.workers.write(toWriteJob(bytes, range))
    this.#memory.give(outcome.bytes)
    this.#writtenBytes += outcome.writtenBytes
    this.#throwIfRefused(outcome)
    for (const { blob } of outcome.damaged) {
      const part = range.parts[blob]
      if (part) reader.noted?.addCopy(part)
    }
    const damaged = new Map(outcome.damaged.map(({ blob, reason }) => [range.parts[blob], reason]))
    const whole = range.parts.filter(part => !damaged.has(part))
    if (whole.length > 0)
      other?.onTaken(
        whole.length,
        whole.reduce((sum, part) => sum + plaintextLength(part), 0),
      )
    this.#done(whole.flatMap(part => part.pieces))
    return [...damaged].flatMap(([part, reason]) => (part ? this.#lost([part], reason, other) : []))
  }

  #lost(parts: readonly Wanted[], reason: string, other: OtherReader | undefined): Piece[] {
    for (const { packId: pack, id } of parts) {
      const own = this.#reasons.get(id)
      if (other === undefined) this.#reasons.set(id, own ?? { blob: id, pack, reason })
      else
        this.#reasons.set(
          id,
          alsoLost(own ?? { blob: id, reason: NO_INDEX }, other, `pack ${shortId(pack)}: ${reason}`),
        )
    }
    return parts.flatMap(part => part.pieces)
  }

  #giveUp(pieces: readonly Piece[]): void {
    for (const { target, id } of pieces) {
      this.#damage.add(target.path, this.#reasons.get(id) ?? { blob: id, reason: NO_INDEX })
    }
    this.#done(pieces)
  }

  #throwIfRefused({ failure }: WriteOutcome): void {
    if (!failure) return
    const error = Object.assign(new Error(failure.message), { code: failure.code })
    throw targetError(this.#open.get(failure.descriptor)?.path ?? 'a file', error)
  }

  #done(pieces: readonly Piece[]): void {
    for (const { target, length } of pieces) {
      this.#totalBytes += length
      target.pending--
      this.#closeIfDone(target)
    }
    if (pieces.length > 0) this.#options.onProgress?.(this.#progress())
  }

  #closeIfDone(target: Target): void {
    if (target.pending > 0) return
    this.#open.delete(target.descriptor)
    closeTarget(target, !target.cut)
  }

  #progress(): WrittenBytes {
    return { totalBytes: this.#totalBytes, writtenBytes: this.#writtenBytes }
  }
}

/** Pieces by the blob that they need. @param gone gets those of which there is no such copy here */
function placesOf(
  { index }: Reader,
  pieces: readonly Piece[],
  { copy, isOther, gone }: { readonly copy: number; readonly isOther: boolean; readonly gone: Piece[] },
): Wanted[] {
  const byId = new Map<Id, Wanted>()
  for (const piece of pieces) {
    const known = byId.get(piece.id)
    const first = copy === 0 && !isOther ? piece.place : undefined
    const place = known ?? first ?? index.findAll('data', piece.id)[copy]
    if (known) known.pieces.push(piece)
    else if (place) byId.set(piece.id, { ...place, pieces: [piece] })
    else gone.push(piece)
  }
  return [...byId.values()]
}

function alsoLost(lost: LostBlob, { reader }: OtherReader, reason: string): LostBlob {
  return { ...lost, reason: `${lost.reason}; ${reader.storage.location}: ${reason}` }
}

function toWriteJob(bytes: Uint8Array, range: PackRange<Wanted>): WriteJob {
  const count = range.parts.reduce((total, part) => total + part.pieces.length, 0)
  const writes = new Float64Array(count * WRITE_COLUMNS)
  let at = 0
  for (const [blob, part] of range.parts.entries()) {
    for (const { target, offset } of part.pieces) {
      writes.set([blob, target.descriptor, offset, target.sparse ? 1 : 0], at)
      at += WRITE_COLUMNS
    }
  }
  return { bytes, blobs: toBlobTable('data', range.parts, range.offset), writes }
}
