import { isAppError, throwIfAborted } from '../base/errors.ts'
import type { HttpAnswer } from '../clients/http/index.ts'
import type {
  CallOptions,
  GetOptions,
  ListedObject,
  ObjectClass,
  ObjectClient,
} from '../clients/objects/object-client.ts'
import { assertKey, assertPrefix, isKey } from './keys.ts'
import { cutOut, EndsBefore, type Range, requireRange, requireWhole } from './ranged-answer.ts'
import type {
  BucketLocks,
  Destruction,
  LoadOptions,
  LockSettings,
  Retention,
  SaveOptions,
  Storage,
  StorageArchive,
  StorageCallOptions,
  StorageHistory,
  StorageTraits,
  StoredObject,
  StoredVersion,
} from './storage.ts'
import { type FailedCall, lockedUntil, storageError } from './storage-error.ts'

/** More than any pack or log segment is. */
const LONGEST_OBJECT = 2 * 1024 * 1024 * 1024

/** Longer than a try to destroy takes, whatever the clocks are apart by. */
const MOMENT_MS = 5 * 60_000

/** Each call is a round trip, most are billed: long packs. Two of them on their way fill a line; each more costs memory. */
export const OBJECT_TRAITS: Omit<StorageTraits, 'kind'> = {
  keys: 'any',
  overwrites: true,
  isFar: true,
  concurrency: 8,
  saves: 2,
  packBytes: 16 * 1024 * 1024,
  retryMs: 15 * 60_000,
}

export interface ObjectStorageInit {
  readonly client: ObjectClient
  readonly traits: StorageTraits
  readonly location: string
  /** Folder in the bucket; '' or ending in '/'. */
  readonly prefix: string
  /** What a call threw, in the words of all storages. Errors of ours, as of credentials or an interrupt, stay as they are. */
  readonly wrap: (call: FailedCall, error: unknown) => unknown
  /** Of what is rarely read; all else goes to the bucket's own class, for it is read with every command. */
  readonly storageClass?: string | undefined
  /** The service's own headers for each object: encryption. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Where `storageClass` has to be thawed. */
  readonly archive?: ObjectArchive | undefined
  readonly lock: LockSettings | undefined
  /** See `Retention`. */
  readonly lockAdvice: readonly string[]
  /** Ends the connections. */
  readonly close: () => void
}

export interface ObjectArchive {
  /** @param path in the bucket */
  readonly thaw: (path: string, options: CallOptions) => Promise<void>
  readonly thawMs: StorageArchive['thawMs']
}

/** Objects lie in the bucket as restic lays them: `FOLDER/data/3f/3f2a...`. */
export class ObjectStorage implements Storage {
  readonly location: string
  readonly traits: StorageTraits
  readonly retention: Retention
  readonly archive: StorageArchive | undefined
  readonly #init: ObjectStorageInit

  constructor(init: ObjectStorageInit) {
    this.#init = init
    this.location = init.location
    this.traits = init.traits
    const { archive } = init
    this.archive = archive && {
      thaw: (key, options = {}) => this.#call('thaw', key, options, path => archive.thaw(path, options)),
      thawMs: archive.thawMs,
    }
    this.retention = {
      lock: init.lock,
      now: () => init.client.locks.now(),
      findLockedUntil: (key, options = {}) =>
        this.#call('look for', key, options, path => init.client.locks.findUntil(path, options)),
      extendLock: (key, until, options = {}) => this.#extendLock(key, until, options),
      readBucket: (options = {}) => this.#readBucket(options),
      tryToDestroy: (key, isLocked, options = {}) => this.#tryToDestroy(key, isLocked, options),
      advice: init.lockAdvice,
    }
  }

  async *list(prefix: string, options: StorageCallOptions = {}): AsyncIterable<StoredObject> {
    assertPrefix(prefix)
    throwIfAborted(options.signal)
    const { client, prefix: folder, wrap } = this.#init
    try {
      for await (const object of client.list(folder + prefix, options)) {
        const key = object.key.slice(folder.length)
        if (isKey(key)) yield { key, sizeBytes: object.sizeBytes, ...classOf(object), ...timeOf(object) }
      }
    } catch (error) {
      throw wrap({ verb: 'list', key: prefix, location: this.location }, error)
    }
  }

  async *listKeys(prefix: string, options: StorageCallOptions = {}): AsyncIterable<string> {
    for await (const { key } of this.list(prefix, options)) yield key
  }

  async find(key: string, options: StorageCallOptions = {}): Promise<StoredObject | undefined> {
    const found = await this.#call('look for', key, options, path => this.#init.client.head(path, options))
    if (!found) return undefined
    const { sizeBytes, modifiedAt } = found
    return { key, sizeBytes, ...classOf(found), ...(modifiedAt === undefined ? {} : { modifiedAt }) }
  }

  async load(key: string, options: LoadOptions = {}): Promise<Buffer> {
    const { range } = options
    return await this.#call('read', key, options, async path =>
      range?.length === 0
        ? await this.#loadNothing(key, range, options)
        : await load(get => this.#init.client.get(path, get), options),
    )
  }

  readonly history: StorageHistory = {
    list: (prefix, options = {}) => this.#listVersions(prefix, options),
    load: async ({ key, version, sizeBytes }, options = {}) =>
      await this.#call('read', key, options, async path => {
        // What is to be cut out of a version is known to be in it, or not, without a request.
        if (options.range && options.range.offset + options.range.length > sizeBytes) throw new EndsBefore()
        if (options.range?.length === 0) return Buffer.alloc(0)
        return await load(get => this.#init.client.history.get(path, version, get), options)
      }),
  }

  async *#listVersions(prefix: string, options: StorageCallOptions): AsyncIterable<StoredVersion> {
    assertPrefix(prefix)
    throwIfAborted(options.signal)
    const { client, prefix: folder, wrap } = this.#init
    try {
      for await (const { key, deleted, ...version } of client.history.list(folder + prefix, options)) {
        const name = key.slice(folder.length)
        if (isKey(name)) yield { ...version, key: name, removed: deleted }
      }
    } catch (error) {
      throw wrap({ verb: 'list', key: prefix, location: this.location }, error)
    }
  }

  async save(key: string, content: Uint8Array | readonly Uint8Array[], options: SaveOptions = {}): Promise<void> {
    const { headers, storageClass, lock } = this.#init
    const { lockedUntil: until } = options
    await this.#call('write', key, options, path =>
      this.#init.client.put(path, content instanceof Uint8Array ? [content] : content, {
        ...options,
        headers,
        storageClass: options.isRarelyRead ? storageClass : undefined,
        lock: lock && until && { mode: lock.mode, until },
      }),
    )
  }

  async remove(key: string, options: StorageCallOptions = {}): Promise<void> {
    try {
      await this.#call('remove', key, options, path => this.#init.client.remove(path, options))
    } catch (error) {
      if (!isAppError(error, 'storage-locked')) throw error
      const until = await this.retention.findLockedUntil(key, options).catch(() => undefined)
      throw until === undefined ? error : lockedUntil(error, until)
    }
  }

  async freeBytes(): Promise<number | undefined> {
    return undefined
  }

  async close(): Promise<void> {
    this.#init.close()
  }

  async #extendLock(key: string, until: Date, options: StorageCallOptions): Promise<void> {
    const { client, lock } = this.#init
    const mode = lock?.mode ?? 'governance'
    try {
      await this.#call('lock', key, options, path => client.locks.extend(path, { mode, until }, options))
    } catch (error) {
      if (!isAppError(error, 'storage-denied') && !isAppError(error, 'storage-locked')) throw error
      // Services refuse to shorten a lock by many words.
      const found = await this.retention.findLockedUntil(key, options).catch(() => undefined)
      if (found === undefined || found < until) throw error
    }
  }

  async #readBucket(options: StorageCallOptions): Promise<BucketLocks> {
    const { client, wrap } = this.#init
    throwIfAborted(options.signal)
    try {
      return await client.locks.readBucket(options)
    } catch (error) {
      throw wrap({ verb: 'list', key: '', location: this.location }, error)
    }
  }

  async #tryToDestroy(key: string, isLocked: boolean, options: StorageCallOptions): Promise<Destruction> {
    const { locks } = this.#init.client
    const mode = this.#init.lock?.mode ?? 'compliance'
    const lock = isLocked ? { mode, until: new Date(locks.now().getTime() + MOMENT_MS) } : undefined
    try {
      return await this.#call('write', key, options, path => locks.tryToDestroy(path, lock, options))
    } catch (error) {
      // One from an earlier time, which nobody could remove.
      if (isAppError(error, 'storage-locked') || isAppError(error, 'storage-exists')) return 'refused'
      if (isAppError(error, 'storage-denied')) return 'not-stored'
      throw error
    }
  }

  /** No request asks for no bytes. */
  async #loadNothing(key: string, { offset }: Range, options: StorageCallOptions): Promise<Buffer> {
    const found = await this.#init.client.head(this.#init.prefix + key, options)
    const call = { verb: 'read', key, location: this.location } as const
    if (!found) throw storageError('storage-not-found', call)
    if (found.sizeBytes < offset) throw storageError('storage-too-short', call)
    return Buffer.alloc(0)
  }

  async #call<T>(
    verb: FailedCall['verb'],
    key: string,
    { signal }: StorageCallOptions,
    work: (path: string) => Promise<T>,
  ): Promise<T> {
    assertKey(key)
    throwIfAborted(signal)
    const call = { verb, key, location: this.location }
    try {
      return await work(this.#init.prefix + key)
    } catch (error) {
      throw error instanceof EndsBefore ? storageError('storage-too-short', call) : this.#init.wrap(call, error)
    }
  }
}

async function load(get: (options: GetOptions) => Promise<HttpAnswer>, options: LoadOptions): Promise<Buffer> {
  const { range } = options
  const answer = await get({
    ...options,
    limitBytes: LONGEST_OBJECT,
    onHead: head => (range ? requireRange(head, range) : requireWhole(head)),
  })
  return range ? cutOut(answer, range) : answer.body
}

function classOf({ storageClass, archived }: ObjectClass): Pick<StoredObject, 'storageClass' | 'archived'> {
  return { ...(storageClass === undefined ? {} : { storageClass }), ...(archived === undefined ? {} : { archived }) }
}

function timeOf({ modifiedAt }: Pick<ListedObject, 'modifiedAt'>): Pick<StoredObject, 'modifiedAt'> {
  return modifiedAt === undefined ? {} : { modifiedAt }
}
