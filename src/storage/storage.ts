import type { ZodType } from 'zod'
import type { AdapterContext } from '../base/adapter-context.ts'
import type { StorageAccess } from '../model/storage-access.ts'

/**
 * A byte store under a repository. Keys are relative, '/'-separated, of `[a-z0-9/._-]`; objects are written whole, never
 * changed, and read whole or by range. Keys under `tmp/` belong to the adapters. Every adapter passes `test/contracts/storage-contract.ts`.
 *
 * All methods throw `AppError` with a `storage-*` code, worded by `storageError`; a foreign error is wrapped once, at the
 * adapter's edge. The code says whether the same call may succeed when it is tried again: `storage-failed` and
 * `storage-busy` may, the others need a person. Adapters do not try again and do not count calls: `openStorage` puts
 * that around them, as their traits ask for it. A rejected call touches neither its content nor its memory any more.
 */
export interface Storage {
  /** For people and errors: a path or URL without secrets. */
  readonly location: string
  readonly traits: StorageTraits
  /** Undefined where the kind of storage knows no such thing. */
  readonly retention?: Retention | undefined

  /**
   * Objects whose key starts with `prefix` (`''` or ending in '/'), each once, in no order. A missing prefix is an empty
   * list. However many pages a server makes of it, all of them are turned, and never more than a few are held.
   */
  list(prefix: string, options?: StorageCallOptions): AsyncIterable<StoredObject>

  /** The same without sizes, for stores where each size costs a call. */
  listKeys(prefix: string, options?: StorageCallOptions): AsyncIterable<string>

  find(key: string, options?: StorageCallOptions): Promise<StoredObject | undefined>

  /** The object's bytes, or the range of them. `storage-not-found` when absent; a range past the end is `storage-too-short`. */
  load(key: string, options?: LoadOptions): Promise<Buffer>

  /**
   * Stores an object: when this resolves it is durable and whole, when it rejects or the process dies either the whole
   * object is there or nothing is. An existing object is replaced where the traits say so, unless `ifAbsent`: else that
   * is `storage-exists`.
   */
  save(key: string, content: Uint8Array | readonly Uint8Array[], options?: SaveOptions): Promise<void>

  /**
   * Removes an object; absent is fine. One that is locked either goes out of sight and stays as an old version until its
   * lock ends, or that is `storage-locked`, with `context.until` (ISO 8601) where the storage tells.
   */
  remove(key: string, options?: StorageCallOptions): Promise<void>

  /** What is still there of objects that were overwritten or removed; undefined where a store never keeps any. */
  readonly history?: StorageHistory | undefined

  /** Bytes that can still be written, or undefined where the store has no such notion. */
  freeBytes(): Promise<number | undefined>

  /** Where rarely read objects go to a class that has to be thawed before it can be read; undefined: all can be read at once. */
  readonly archive?: StorageArchive | undefined

  close(): Promise<void>
}

/** The past of a store that keeps versions. Errors are those of `Storage`. */
export interface StorageHistory {
  /** Versions of the objects below `prefix`, as `list` gives those that are there: key by key, of each the newest first. */
  list(prefix: string, options?: StorageCallOptions): AsyncIterable<StoredVersion>
  /** As `Storage.load`, of one version. */
  load(version: StoredVersion, options?: LoadOptions): Promise<Buffer>
}

export interface StoredVersion {
  readonly key: string
  /** What the store calls it; '' where it has only one, and of a removal. */
  readonly version: string
  /** By the store's own clock, some to the second; undefined of a removal whose time the store does not tell. */
  readonly at: Date | undefined
  /** Not an object, but the moment in which there was none any more. */
  readonly removed: boolean
  readonly sizeBytes: number
  /** It can be read only after an administrator has brought it back. */
  readonly softDeleted: boolean
}

/** What brings archived objects back. Reading one that is not back yet is `storage-archived`. */
export interface StorageArchive {
  /** Asks for an object. Returns at once; one that was asked for before, or can be read, is fine. */
  thaw(key: string, options?: StorageCallOptions): Promise<void>
  /** About how long after that it can be read, by the service's word. */
  thawMs(object: Pick<StoredObject, 'storageClass'>): number
}

/** How a storage differs from others, as data: what uses it decides by these and never by its kind. */
export interface StorageTraits {
  readonly kind: string
  /** Which keys it takes: any that `assertKey` lets pass, or only those of a restic repository. Others are `storage-denied`. */
  readonly keys: 'any' | 'restic'
  /** Does `save` replace an object that is there? */
  readonly overwrites: boolean
  /**
   * Does each call take a round trip, or money? Then what is needed again is kept on this machine, and what is looked at for
   * safety's sake alone is looked at once a day.
   */
  readonly isFar: boolean
  /** How many calls at once are worth it; no more are made. */
  readonly concurrency: number
  /** How many saves of whole packs at once are worth it. */
  readonly saves: number
  /** About how long packs should be: longer ones where each call takes time or costs money. restic's least is 4 MiB. */
  readonly packBytes: number
  /** How long to go on trying a call that may succeed; 0 where what fails once fails again, as on a disk. */
  readonly retryMs: number
  /** Nothing changes there, for it is a view of the past: no lock is needed, and none can be taken. */
  readonly frozen?: boolean
}

export interface StoredObject {
  readonly key: string
  readonly sizeBytes: number
  /** When it was stored, where the store knows; in a listing only where that tells it without another call. */
  readonly modifiedAt?: Date
  /** The service's own name of the class that it lies in; only where the service tells. */
  readonly storageClass?: string
  /** It cannot be read now: nobody asked for it yet, or it is on its way. */
  readonly archived?: 'archived' | 'thawing'
}

export interface StorageCallOptions {
  readonly signal?: AbortSignal | undefined
}

export interface LoadOptions extends StorageCallOptions {
  readonly range?: { readonly offset: number; readonly length: number } | undefined
  /**
   * Memory to load into, if it is long enough; the result is then its beginning. A hint: an adapter may use memory of
   * its own. Given up by the caller until the call ends.
   */
  readonly into?: Buffer | undefined
}

export interface SaveOptions extends StorageCallOptions {
  readonly ifAbsent?: boolean | undefined
  /** Of the content, in hex, where the caller knows it already: a server can check by it what arrived. */
  readonly sha256?: string | undefined
  /** Only restores and `prune` read it: it may go to a cheaper class, also to one that has to be thawed. */
  readonly isRarelyRead?: boolean | undefined
  /** Nobody can destroy the object before. Only where the storage has `retention`. */
  readonly lockedUntil?: Date | undefined
}

// ---- what keeps objects from whoever has the key

/**
 * Objects can be locked: until a date nobody destroys them, whatever key they have. Where removing or replacing one
 * goes through, it is kept as an old version.
 */
export interface Retention {
  /** What the settings of the repository ask for; undefined: nothing of it is to be locked. */
  readonly lock: LockSettings | undefined
  /** By the server's clock, as far as it was heard: dates of locks are held against that one. */
  now(): Date
  /** Until when this object is locked; undefined where it is not, or is not there. */
  findLockedUntil(key: string, options?: StorageCallOptions): Promise<Date | undefined>
  /** Locks it until then, in the mode of the settings. A longer lock stays. `storage-not-found`, `storage-denied`, ... */
  extendLock(key: string, until: Date, options?: StorageCallOptions): Promise<void>
  /** What the service says of the bucket. */
  readBucket(options?: StorageCallOptions): Promise<BucketLocks>
  /**
   * Stores an empty object of ours under this key, locked for a moment if it is said so, and tries to destroy it with all
   * that the present key may do. Leaves it out of sight, or where nothing can be removed, as it is.
   */
  tryToDestroy(key: string, isLocked: boolean, options?: StorageCallOptions): Promise<Destruction>
  /** What a person does to make such a bucket, and the rules that are to be set where locks are the account's business. */
  readonly advice: readonly string[]
}

export interface BucketLocks {
  /** Are the old versions of what is replaced or removed kept? Undefined: it is not told. */
  readonly keepsVersions: boolean | undefined
  /** Can objects be locked, one by one? */
  readonly locksObjects: boolean | undefined
}

/** `ended`: destroyed after its lock was ended, which the present key may. `not-stored`: the key may not store it. */
export type Destruction = 'refused' | 'destroyed' | 'ended' | 'not-stored'

/** @see docs/decisions/immutability.md */
export interface LockSettings {
  /** May somebody with a special permission end it earlier (governance), or nobody (compliance)? */
  readonly mode: 'governance' | 'compliance'
  /** For how long at least what snapshots need stays locked after the last backup. */
  readonly periodMs: number
}

// ---- how an adapter presents itself

/** What an adapter's `index.ts` exports. Light: the implementation is imported by `load`. */
export interface StorageDefinition<Options = unknown> {
  readonly kind: string
  /** One line for help and the generated reference. */
  readonly summary: string
  /** How its URLs look, for help and errors: `file:///folder`. */
  readonly forms: readonly string[]
  readonly matches: (url: string) => boolean
  /** What `storage:` beside a URL of this kind may say. Each field has a `.describe()`. */
  readonly options: ZodType<Options>
  /** The folder of this machine that a URL names; undefined for what lies elsewhere. Opens nothing. */
  readonly folderOf: (url: string, baseDir: string) => string | undefined
  /** What it takes to be let in. Opens nothing; throws `usage` for a URL that is none. */
  readonly access: (url: string, options: Options) => StorageAccess
  readonly load: () => Promise<StorageFactory<Options>>
}

/**
 * Opens the store at a URL. May fetch secrets, but asks nothing of the store itself: a folder that does not exist is
 * created by the first `save`.
 */
export type StorageFactory<Options = unknown> = (
  url: string,
  options: Options,
  context: AdapterContext,
) => Promise<Storage>

/** Keeps the inferred option type; the value is returned as it is. */
export function defineStorage<Options>(definition: StorageDefinition<Options>): StorageDefinition<Options> {
  return definition
}
