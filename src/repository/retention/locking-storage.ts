import type {
  LoadOptions,
  Retention,
  SaveOptions,
  Storage,
  StorageCallOptions,
  StorageTraits,
  StoredObject,
} from '../../storage/storage.ts'
import { isToBeLocked, lockEnd } from './lock-period.ts'

/** The storage itself, unless its settings ask for locks: then one that locks what is stored from now on. */
export function lockingStorage(storage: Storage): Storage {
  return storage.retention?.lock === undefined ? storage : new LockingStorage(storage, storage.retention)
}

/** Locks what is stored, as far as it is to be locked, and tells until when. */
export class LockingStorage implements Storage {
  /** Keys of what this process stored locked, with the ends of their locks. */
  readonly locked = new Map<string, Date>()
  readonly retention: Retention
  readonly #inner: Storage

  constructor(inner: Storage, retention: Retention) {
    this.#inner = inner
    this.retention = retention
  }

  get location(): string {
    return this.#inner.location
  }

  get traits(): StorageTraits {
    return this.#inner.traits
  }

  list(prefix: string, options?: StorageCallOptions): AsyncIterable<StoredObject> {
    return this.#inner.list(prefix, options)
  }

  listKeys(prefix: string, options?: StorageCallOptions): AsyncIterable<string> {
    return this.#inner.listKeys(prefix, options)
  }

  find(key: string, options?: StorageCallOptions): Promise<StoredObject | undefined> {
    return this.#inner.find(key, options)
  }

  load(key: string, options?: LoadOptions): Promise<Buffer> {
    return this.#inner.load(key, options)
  }

  async save(key: string, content: Uint8Array | readonly Uint8Array[], options: SaveOptions = {}): Promise<void> {
    const { lock } = this.retention
    if (lock === undefined || !isToBeLocked(key)) return await this.#inner.save(key, content, options)
    const lockedUntil = lockEnd(lock, this.retention.now())
    await this.#inner.save(key, content, { ...options, lockedUntil })
    this.locked.set(key, lockedUntil)
  }

  async remove(key: string, options?: StorageCallOptions): Promise<void> {
    await this.#inner.remove(key, options)
    this.locked.delete(key)
  }

  freeBytes(): Promise<number | undefined> {
    return this.#inner.freeBytes()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}
