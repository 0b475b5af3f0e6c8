import { AppError } from '../../src/base/errors.ts'
import type { LoadOptions, SaveOptions, Storage, StorageCallOptions, StoredObject } from '../../src/storage/storage.ts'

export type StorageMethod = 'list' | 'listKeys' | 'find' | 'load' | 'save' | 'remove'

export interface StorageCall {
  readonly method: StorageMethod
  /** The key, or the prefix of a listing. */
  readonly key: string
}

/** What goes wrong, and when. Calls are counted from 1, all methods together, `changing` ones (save, remove) apart. */
export interface Faults {
  /** This call rejects with `storage-failed`; the store is untouched. */
  readonly failCall?: number | undefined
  /** Like a killed process: the call after so many changing ones, and every call from then on, rejects. */
  readonly stopAfterChanges?: number | undefined
  /** Saves whose key matches store this part of the content (0 to 1) and resolve, as a lying server would. */
  readonly cutSaves?: { readonly key: RegExp; readonly keep: number } | undefined
  /** The save with this number among the changing calls stores nothing and rejects. */
  readonly loseChange?: number | undefined
  /** Loads of matching keys come back with this bit flipped (counted from the start, modulo the length). */
  readonly flipBit?: { readonly key: RegExp; readonly bit: number } | undefined
  /** Tells no times, as some stores do. */
  readonly timeless?: boolean | undefined
  /** `storage-full` once so many bytes were saved. */
  readonly capacityBytes?: number | undefined
}

/** A store whose faults can be switched while it is used. Without any it behaves like what is inside. */
export class FaultyStorage implements Storage {
  readonly inner: Storage
  readonly calls: StorageCall[] = []
  faults: Faults
  #changes = 0
  #savedBytes = 0

  constructor(inner: Storage, faults: Faults = {}) {
    this.inner = inner
    this.faults = faults
  }

  get location(): string {
    return this.inner.location
  }

  get traits(): Storage['traits'] {
    return this.inner.traits
  }

  get retention(): Storage['retention'] {
    return this.inner.retention
  }

  /** How many saves and removes went through. */
  get changes(): number {
    return this.#changes
  }

  /** Has `stopAfterChanges` been reached by a call? */
  stopped = false

  async *list(prefix: string, options?: StorageCallOptions): AsyncIterable<StoredObject> {
    this.#count('list', prefix)
    yield* this.inner.list(prefix, options)
  }

  async *listKeys(prefix: string, options?: StorageCallOptions): AsyncIterable<string> {
    this.#count('listKeys', prefix)
    yield* this.inner.listKeys(prefix, options)
  }

  async find(key: string, options?: StorageCallOptions): Promise<StoredObject | undefined> {
    this.#count('find', key)
    const found = await this.inner.find(key, options)
    return found && this.faults.timeless ? { key, sizeBytes: found.sizeBytes } : found
  }

  async load(key: string, options?: LoadOptions): Promise<Buffer> {
    this.#count('load', key)
    const content = await this.inner.load(key, options)
    const flip = this.faults.flipBit
    if (flip?.key.test(key) && content.length > 0) {
      const bit = flip.bit % (content.length * 8)
      content[bit >> 3] = (content[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    }
    return content
  }

  async save(key: string, content: Uint8Array | readonly Uint8Array[], options?: SaveOptions): Promise<void> {
    this.#count('save', key)
    this.#countChange(key)
    const whole = Buffer.concat(content instanceof Uint8Array ? [content] : content)
    this.#savedBytes += whole.length
    if (this.#savedBytes > (this.faults.capacityBytes ?? Infinity)) {
      this.#savedBytes -= whole.length
      throw new AppError('storage-full', `cannot write ${key}: no space left (planted)`)
    }
    const cut = this.faults.cutSaves
    const stored = cut?.key.test(key) ? whole.subarray(0, Math.floor(whole.length * cut.keep)) : whole
    await this.inner.save(key, stored, options)
  }

  async remove(key: string, options?: StorageCallOptions): Promise<void> {
    this.#count('remove', key)
    this.#countChange(key)
    await this.inner.remove(key, options)
  }

  async freeBytes(): Promise<number | undefined> {
    return this.inner.freeBytes()
  }

  async close(): Promise<void> {
    await this.inner.close()
  }

  #count(method: StorageMethod, key: string): void {
    if (this.stopped) throw new AppError('storage-failed', `cannot ${method} ${key}: stopped (planted)`)
    this.calls.push({ method, key })
    if (this.calls.length === this.faults.failCall) {
      throw new AppError('storage-failed', `cannot ${method} ${key}: failed (planted)`)
    }
  }

  #countChange(key: string): void {
    if (this.#changes >= (this.faults.stopAfterChanges ?? Infinity)) {
      this.stopped = true
      throw new AppError('storage-failed', `cannot change ${key}: stopped (planted)`)
    }
    this.#changes++
    if (this.#changes === this.faults.loseChange) {
      throw new AppError('storage-failed', `cannot change ${key}: failed (planted)`)
    }
  }
}
