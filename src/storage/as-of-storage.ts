import { AppError } from '../base/errors.ts'
import { formatTimeWithZone } from '../base/times.ts'
import { isTrial } from '../model/probe-object.ts'
import { assertKey, assertPrefix } from './keys.ts'
import type {
  LoadOptions,
  Storage,
  StorageCallOptions,
  StorageHistory,
  StorageTraits,
  StoredObject,
  StoredVersion,
} from './storage.ts'
import { type FailedCall, storageError } from './storage-error.ts'
import { isPruned, type Moment, removalRuns, wholeMoment } from './whole-moment.ts'

/** Of those who were at work then. */
const LOCKS = 'locks/'

/**
 * A store as it was at a moment, which nobody can change any more: of each object the newest version of then, unless it had
 * been removed by then. Takes one listing of all versions, and holds what was there. A removal whose time the store does
 * not tell counts as one that came later: rather too much is there than too little.
 */
export class AsOfStorage implements Storage {
  readonly location: string
  readonly traits: StorageTraits
  readonly moment: Moment
  readonly #inner: Storage
  readonly #history: StorageHistory
  /** By key, in the order of the keys. */
  readonly #versions: ReadonlyMap<string, StoredVersion>

  private constructor(inner: Storage, history: StorageHistory, past: Past) {
    this.#inner = inner
    this.#history = history
    this.moment = past.moment
    this.#versions = past.versions
    this.location = `${inner.location} as of ${formatTimeWithZone(past.moment.at)}`
    this.traits = { ...inner.traits, frozen: true }
  }

  /** `unsupported` for a store that keeps nothing of the past, `no-repository` when there was nothing yet. */
  static async open(inner: Storage, asked: Date, options: StorageCallOptions = {}): Promise<AsOfStorage> {
    const { history } = inner
    if (history === undefined) throw keepsNothing(inner.location, 'this kind of storage never does')
    return new AsOfStorage(inner, history, await readPast(inner.location, history, asked, options))
  }

  async *list(prefix: string, options: StorageCallOptions = {}): AsyncIterable<StoredObject> {
    assertPrefix(prefix)
    for (const version of this.#versions.values()) {
      options.signal?.throwIfAborted()
      if (version.key.startsWith(prefix)) yield storedObject(version)
    }
  }

  async *listKeys(prefix: string, options: StorageCallOptions = {}): AsyncIterable<string> {
    for await (const { key } of this.list(prefix, options)) yield key
  }

  async find(key: string): Promise<StoredObject | undefined> {
    assertKey(key)
    const version = this.#versions.get(key)
    return version && storedObject(version)
  }

  async load(key: string, options: LoadOptions = {}): Promise<Buffer> {
    assertKey(key)
    const version = this.#versions.get(key)
    const call = { verb: 'read', key, location: this.location } as const
    if (version === undefined) throw storageError('storage-not-found', call)
    if (version.softDeleted) throw softDeleted(call)
    return await this.#history.load(version, options)
  }

  async save(key: string): Promise<never> {
    throw refused({ verb: 'write', key, location: this.location })
  }

  async remove(key: string): Promise<never> {
    throw refused({ verb: 'remove', key, location: this.location })
  }

  async freeBytes(): Promise<undefined> {
    return undefined
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}

interface Past {
  readonly moment: Moment
  readonly versions: ReadonlyMap<string, StoredVersion>
}

async function readPast(
  location: string,
  history: StorageHistory,
  asked: Date,
  options: StorageCallOptions,
): Promise<Past> {
  const byKey = new Map<string, StoredVersion[]>()
  const removals: Date[] = []
  let keepsPast = false
  let oldest: Date | undefined
  let last: string | undefined
  for await (const version of history.list('', options)) {
    const { key, at, removed } = version
    keepsPast ||= removed || key === last
    last = key
    if (isTrial(key)) continue
    if (removed && at !== undefined && isPruned(key)) removals.push(at)
    if (at !== undefined && (oldest === undefined || at < oldest)) oldest = at
    // What came later is not looked at, nor is a removal whose time is not told, nor who was at work then.
    if (at === undefined || at > asked || key.startsWith(LOCKS)) continue
    const before = byKey.get(key)
    if (before) before.push(version)
    else byKey.set(key, [version])
  }
  if (last !== undefined && !keepsPast) throw keepsNothing(location, 'nothing that was overwritten or deleted is there')
  const moment = wholeMoment(asked, removalRuns(removals))
  const versions = versionsAt(byKey, moment.at)
  if (versions.size === 0) throw tooEarly(location, moment.at, oldest)
  return { moment, versions }
}

function versionsAt(byKey: ReadonlyMap<string, readonly StoredVersion[]>, time: Date): Map<string, StoredVersion> {
  const found = new Map<string, StoredVersion>()
  for (const [key, newestFirst] of byKey) {
    const version = newestFirst.find(({ at }) => at !== undefined && at <= time)
    if (version !== undefined && !version.removed) found.set(key, version)
  }
  return found
}

function storedObject({ key, sizeBytes, at }: StoredVersion): StoredObject {
  return { key, sizeBytes, ...(at === undefined ? {} : { modifiedAt: at }) }
}

function refused(call: FailedCall): AppError {
  return storageError('storage-denied', call, {
    reason: 'what was then cannot be changed',
    hint: 'Copy it to a new repository first: lifeboat copy --from NAME --as-of TIME --to OTHER.',
  })
}

function softDeleted(call: FailedCall): AppError {
  return storageError('storage-denied', call, {
    reason: 'it was deleted, and can be read only after it has been restored there',
    hint: 'Restore what was deleted with the tools of the storage ("gcloud storage restore", "az storage blob undelete"), then read without --as-of. See docs/guide/after-an-attack.md.',
  })
}

function keepsNothing(location: string, why: string): AppError {
  return new AppError('unsupported', `${location} cannot be opened as it was: ${why}`, {
    hint: 'Only buckets that keep versions can: turn versioning on for the next time. See docs/guide/after-an-attack.md.',
  })
}

function tooEarly(location: string, time: Date, oldest: Date | undefined): AppError {
  const since = oldest === undefined ? '' : `: the oldest object there is of ${formatTimeWithZone(oldest)}`
  return new AppError(
    'no-repository',
    `there was no repository at ${location} on ${formatTimeWithZone(time)}${since}`,
    {
      hint: 'Run "lifeboat history" to see what happened when.',
    },
  )
}
