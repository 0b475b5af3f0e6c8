/**
 * A byte store under a repository. Keys are relative, '/'-separated, of `[a-z0-9/._-]`; objects are written whole, never
 * changed, and read whole or by range. Keys under `tmp/` belong to the adapters. Every adapter passes `test/contracts/storage-contract.ts`.
 *
 * All methods throw `AppError` with a `storage-*` code; a foreign error is wrapped once, at the adapter's edge.
 */
export interface Storage {
  /** For people and errors: a path or URL without secrets. */
  readonly location: string
  readonly traits: StorageTraits

  /** Objects whose key starts with `prefix` (`''` or ending in '/'), in no order. A missing prefix is an empty list. */
  list(prefix: string, options?: StorageCallOptions): AsyncIterable<StoredObject>

  /** The same without sizes, for stores where each size costs a call. */
  listKeys(prefix: string, options?: StorageCallOptions): AsyncIterable<string>

  find(key: string, options?: StorageCallOptions): Promise<StoredObject | undefined>

  /** The object's bytes, or the range of them. `storage-not-found` when absent; a range past the end is `storage-failed`. */
  load(key: string, options?: LoadOptions): Promise<Buffer>

  /**
   * Stores an object: when this resolves it is durable and whole, when it rejects or the process dies either the whole
   * object is there or nothing is. Overwrites, unless `ifAbsent`: then an existing object is `storage-exists`.
   */
  save(key: string, content: Uint8Array | readonly Uint8Array[], options?: SaveOptions): Promise<void>

  /** Removes an object; absent is fine. */
  remove(key: string, options?: StorageCallOptions): Promise<void>

  /** Bytes that can still be written, or undefined where the store has no such notion. */
  freeBytes(): Promise<number | undefined>

  close(): Promise<void>
}

export interface StorageTraits {
  readonly kind: string
  /** How many calls at once are worth it. */
  readonly concurrency: number
}

export interface StoredObject {
  readonly key: string
  readonly sizeBytes: number
  /** When it was stored; only of `find`, and only where the store knows. */
  readonly modifiedAt?: Date
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
}

// ---- how an adapter presents itself

/** What an adapter's `index.ts` exports. Light: the implementation is imported by `load`. */
export interface StorageDefinition {
  readonly kind: string
  /** One line for help and the generated reference. */
  readonly summary: string
  /** How its URLs look, for help and errors: `file:///folder`. */
  readonly forms: readonly string[]
  readonly matches: (url: string) => boolean
  readonly load: () => Promise<StorageFactory>
}

/** Opens the store at a URL. Touches nothing: a folder that does not exist is created by the first `save`. */
export type StorageFactory = (url: string, place: StoragePlace) => Storage

export interface StoragePlace {
  /** Relative paths are relative to this folder (the one of `lifeboat.yaml`). */
  readonly baseDir: string
}

/** Checks the shape; the value is returned as it is. */
export function defineStorage(definition: StorageDefinition): StorageDefinition {
  return definition
}
