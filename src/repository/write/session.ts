import type { Clock } from '../../base/clock.ts'
import { AppError, isAppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { Kept } from '../cache/kept.ts'
import { type BadPlaces, findLostBlobs } from '../check/bad-places.ts'
import type { DamageRecord } from '../check/damage-record.ts'
import type { Snapshot } from '../contract/snapshot.ts'
import type { RepositoryContext, RepositoryFiles } from '../files/repository-files.ts'
import { shortId } from '../format/file-keys.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { LockRequest } from '../lock/acquire.ts'
import { WritingLock } from '../lock/writing-lock.ts'
import { PackWriter, type SavedPack } from '../pack/pack-writer.ts'
import type { LockKeeper } from '../retention/lock-keeper.ts'
import type { WorkerPool } from '../workers/pool.ts'
import { Failure } from './failure.ts'
import { IndexWriter } from './index-writer.ts'
import { KnownBlobs } from './known-blobs.ts'
import type { PackLooks } from './pack-looks.ts'
import { findMissingPacks, requirePacks } from './relied-on.ts'

export interface SessionParts {
  readonly context: RepositoryContext
  readonly files: RepositoryFiles
  readonly index: BlobIndex
  readonly workers: WorkerPool
  readonly lock: LockRequest
  readonly record: DamageRecord
  readonly looks: PackLooks
  readonly kept: Kept | undefined
  /** See `PackWriterOptions`. */
  readonly packBytes?: number
  readonly clock: Clock
  /** Undefined where the storage locks nothing. */
  readonly locks: LockKeeper | undefined
  readonly signal: AbortSignal
}

export type SaveSnapshot = (signal: AbortSignal) => Promise<Snapshot>

/**
 * What adds to a repository, a backup or a copy: its shared lock, what need not be stored, packs and their index. Packs
 * before index before snapshots: a reader that sees one of them finds what it names.
 */
export class Session {
  readonly failure: Failure
  readonly known: KnownBlobs
  readonly packs: PackWriter
  readonly #parts: SessionParts
  readonly #lock: WritingLock
  readonly #locked: Promise<void>
  readonly #indexes: IndexWriter
  readonly #missingBefore: ReadonlySet<Id>

  /** Takes the lock, then brings the index up to date: what was known before may have been pruned since. */
  static async start(parts: SessionParts): Promise<Session> {
    const known = new KnownBlobs(parts.index)
    const lock = new WritingLock(parts.lock, async () => {
      await parts.index.refresh(parts.signal)
      known.recheck()
    })
    try {
      await lock.written
      await parts.index.refresh(parts.signal)
      for (const finding of parts.index.findings) parts.lock.onFinding(finding)
      const missing = await lookForPacks(parts)
      known.distrust(findLostBlobs(parts.index, await findBadPlaces(parts, missing)))
      return new Session(parts, lock, known, new Set(missing))
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  /** @param missingBefore packs that were not there any more when it began */
  private constructor(parts: SessionParts, lock: WritingLock, known: KnownBlobs, missingBefore: ReadonlySet<Id>) {
    const { context, files, index, workers, clock, kept, packBytes } = parts
    this.#parts = parts
    this.#lock = lock
    this.#missingBefore = missingBefore
    this.known = known
    const failure = new Failure(parts.signal, lock.lost)
    this.failure = failure
    this.#locked = lock.settled.then(() => known.trustIndex())
    this.#locked.catch(() => {})
    const onIndexed = (packs: readonly Uint8Array[]): void => known.forget(packs)
    this.#indexes = new IndexWriter({ files, index, workers, failure, clock, onIndexed })
    const { storage, cipher } = context
    // Nothing is stored before the lock is certain.
    const allowed = this.#locked
    const onSaved = (pack: SavedPack): void => this.#indexes.add(pack)
    this.packs = new PackWriter({ storage, cipher, failure, allowed, onSaved, kept: kept?.packs, packBytes })
  }

  /**
   * Stores what is left of packs, then their index, then the snapshots, which are not asked for before. May be called
   * again.
   */
  async commit(saves: Iterable<SaveSnapshot> | AsyncIterable<SaveSnapshot>): Promise<Snapshot[]> {
    const { files, index, locks, looks } = this.#parts
    this.failure.check()
    await this.#locked
    await this.packs.finish()
    await this.#indexes.flush()
    await this.failure.settle()
    await locks?.extend(this.failure.signal)
    await this.#lock.assertHeld()
    if (await looks.isDue()) await requirePacks(files, index, this.#missingBefore)
    const saved: Snapshot[] = []
    for await (const save of saves) {
      const snapshot = await save(this.failure.signal)
      await this.#withdrawUnlessLocked(snapshot.id)
      saved.push(snapshot)
    }
    return saved
  }

  /** Releases the lock. Stored packs stay: the next session uses those that are in an index, prune removes the others. */
  async end(): Promise<void> {
    this.failure.set(new AppError('failed', 'the writing has ended'))
    await this.failure.idle()
    await this.#parts.locks?.keep()
    await this.#lock.release()
  }

  /** A machine may fall asleep between the look at the lock and the snapshot, for longer than a lock holds. */
  async #withdrawUnlessLocked(snapshot: Id): Promise<void> {
    try {
      await this.#lock.assertUnbroken()
    } catch (error) {
      if (isAppError(error, 'repository-locked')) await this.#parts.files.remove('snapshot', snapshot)
      throw error
    }
  }
}

async function lookForPacks({ files, index, lock, looks }: SessionParts): Promise<Id[]> {
  if (!(await looks.isDue())) return []
  const missing = await findMissingPacks(files, index)
  if (missing.length > 0) lock.onFinding(packsMissing(missing))
  else await looks.remember()
  return missing
}

/** What checks and reads found, and packs that are gone: what the index says of them must not keep a blob from being stored. */
async function findBadPlaces({ record }: SessionParts, missing: readonly Id[]): Promise<BadPlaces> {
  const known = await record.load()
  return { ...known, packs: new Set([...known.packs, ...missing]) }
}

function packsMissing(missing: readonly Id[]): Finding {
  return {
    severity: 'warning',
    code: 'pack-missing',
    subject: `pack ${missing.map(shortId).join(', ')}`,
    message: 'the pack is missing; what is needed from it is stored anew',
    hint: 'Run "lifeboat check" to see which snapshots are hurt.',
  }
}
