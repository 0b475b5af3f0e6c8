import { forEachLimit } from '../../base/concurrency.ts'
import { type AppError, isAppError, throwIfAborted } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { LockSettings, Storage } from '../../storage/storage.ts'
import { CONFIG_KEY, fileKey } from '../format/file-keys.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { SnapshotStore } from '../snapshots/snapshot-store.ts'
import type { KnownEnds, KnownEndsFile } from './known-ends.ts'
import { isDue, lockEnd } from './lock-period.ts'
import { LockingStorage } from './locking-storage.ts'

/** Who knows what lies in the repository, as far as this process has heard: asking again would cost requests. */
interface HeardFiles {
  readonly index: Pick<BlobIndex, 'packIds' | 'indexIds'>
  readonly snapshots: Pick<SnapshotStore, 'listedIds'>
  readonly keys: readonly Id[]
}

interface LockKeeperParts {
  readonly storage: LockingStorage
  readonly settings: LockSettings
  readonly heard: HeardFiles
  readonly file: KnownEndsFile
  readonly onFinding: (finding: Finding) => void
}

/** Undefined where the storage locks nothing. */
export function lockKeeperOf(
  storage: Storage,
  heard: HeardFiles,
  file: KnownEndsFile,
  onFinding: (finding: Finding) => void,
): LockKeeper | undefined {
  const settings = storage.retention?.lock
  if (!(storage instanceof LockingStorage) || settings === undefined) return undefined
  return new LockKeeper({ storage, settings, heard, file, onFinding })
}

/** Logs are listed again after this part of the period: a listing costs a request for each thousand files. */
const LIST_LOGS_EVERY = 0.25

/**
 * Keeps what snapshots need locked for the period from now on. All that lies in the repository counts: whether a pack is
 * needed is known only to who reads every tree. What a backup meets on an ordinary day is remembered, and costs nothing.
 */
export class LockKeeper {
  readonly #parts: LockKeeperParts
  #known: KnownEnds | undefined

  constructor(parts: LockKeeperParts) {
    this.#parts = parts
  }

  /**
   * Call it before a snapshot is written: it may rely on packs whose locks are about to end. What cannot be locked is a
   * finding, for a backup that can be destroyed is better than none.
   */
  async extend(signal: AbortSignal): Promise<void> {
    const known = await this.#load()
    const keys = [...(await keysOf(this.#parts.heard)), ...(await this.#listLogs(known, signal))]
    this.#forgetAllBut(new Set(keys), known)
    const due = keys.filter(key => this.#isDue(known.ends.get(key)))
    await this.#extendAll(due, known, signal)
  }

  /** Remembers what was stored and extended until now. */
  async keep(): Promise<void> {
    await this.#parts.file.save(await this.#load())
  }

  async #load(): Promise<KnownEnds> {
    this.#known ??= await this.#parts.file.load()
    this.#takeIn(this.#known)
    return this.#known
  }

  #takeIn({ ends }: KnownEnds): void {
    for (const [key, until] of this.#parts.storage.locked) ends.set(key, secondsOf(until))
  }

  /** Of packs that were pruned, snapshots that were forgotten: the file would only grow. */
  #forgetAllBut(keys: ReadonlySet<string>, { ends }: KnownEnds): void {
    const { locked } = this.#parts.storage
    for (const key of ends.keys()) if (!keys.has(key) && !locked.has(key)) ends.delete(key)
  }

  #isDue(endSeconds: number | undefined): boolean {
    const until = endSeconds === undefined ? undefined : new Date(endSeconds * 1000)
    return isDue(this.#parts.settings, until, this.#parts.storage.retention.now())
  }

  async #listLogs(known: KnownEnds, signal: AbortSignal): Promise<string[]> {
    const { storage, settings } = this.#parts
    const now = storage.retention.now().getTime()
    if (known.logsListedAt * 1000 + settings.periodMs * LIST_LOGS_EVERY > now) {
      return [...known.ends.keys()].filter(key => key.startsWith('logs/'))
    }
    const keys: string[] = []
    for await (const key of storage.listKeys('logs/', { signal })) keys.push(key)
    for (const key of known.ends.keys()) if (key.startsWith('logs/')) known.ends.delete(key)
    this.#takeIn(known)
    known.logsListedAt = secondsOf(new Date(now))
    return keys
  }

  async #extendAll(due: readonly string[], known: KnownEnds, signal: AbortSignal): Promise<void> {
    const { storage, onFinding } = this.#parts
    let refused: AppError | undefined
    let left = 0
    await forEachLimit(due, storage.traits.concurrency, async key => {
      throwIfAborted(signal)
      // What was refused once is refused for all: there is no use in asking 100 000 times.
      if (!refused) refused = await this.#extendKnown(key, known, signal)
      if (refused) left++
    })
    if (refused) onFinding(notExtended(left, refused))
  }

  /** The refusal, if it was refused. */
  async #extendKnown(key: string, { ends }: KnownEnds, signal: AbortSignal): Promise<AppError | undefined> {
    try {
      const until = await this.#extendOne(key, ends.has(key), signal)
      if (until) ends.set(key, secondsOf(until))
      else ends.delete(key)
      return undefined
    } catch (error) {
      if (isAppError(error, 'storage-denied') || isAppError(error, 'storage-locked')) return error
      throw error
    }
  }

  /** Until when the object is locked now; undefined when it is not there any more. */
  async #extendOne(key: string, isKnown: boolean, signal: AbortSignal): Promise<Date | undefined> {
    const { storage, settings } = this.#parts
    const { retention } = storage
    const found = isKnown ? undefined : await retention.findLockedUntil(key, { signal })
    if (found && !isDue(settings, found, retention.now())) return found
    const until = lockEnd(settings, retention.now())
    try {
      await retention.extendLock(key, until, { signal })
      return until
    } catch (error) {
      // An index may name what is not there; that is for a check to say.
      if (isAppError(error, 'storage-not-found')) return undefined
      throw error
    }
  }
}

async function keysOf({ index, snapshots, keys }: HeardFiles): Promise<string[]> {
  return [
    CONFIG_KEY,
    ...keys.map(id => fileKey('key', id)),
    ...[...(await snapshots.listedIds())].map(id => fileKey('snapshot', id)),
    ...index.indexIds.map(id => fileKey('index', id)),
    ...[...index.packIds()].map(id => fileKey('pack', id)),
  ]
}

const secondsOf = (date: Date): number => Math.floor(date.getTime() / 1000)

function notExtended(objects: number, error: AppError): Finding {
  return {
    severity: 'warning',
    code: 'locks-not-extended',
    subject: 'locks',
    message: `${objects} ${objects === 1 ? 'object of the repository is' : 'objects of the repository are'} not locked for as long as "lock" asks for: ${error.message}`,
    hint: 'Let the key lock objects (for S3: s3:PutObjectRetention and s3:GetObjectRetention), then back up again. "lifeboat check --immutable" says what is safe.',
  }
}
