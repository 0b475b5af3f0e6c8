import type { AppError } from '../../src/base/errors.ts'
import type {
  BucketLocks,
  Destruction,
  LockSettings,
  Retention,
  SaveOptions,
  StorageCallOptions,
} from '../../src/storage/storage.ts'
import { storageError } from '../../src/storage/storage-error.ts'
import { MemoryStorage } from './memory-storage.ts'

/** A store in memory whose objects can be locked, by a clock of its own. What is removed goes out of sight, as where versions are kept. */
export class LockableStorage extends MemoryStorage {
  readonly retention: Retention
  /** When the locks of objects end. */
  readonly ends = new Map<string, Date>()
  /** Calls about locks and saves, in their order: `save snapshots/3f..`, `find data/..`, `extend data/..`. */
  readonly asked: string[] = []
  /** What the service says of itself, and what becomes of what is tried to be destroyed. */
  bucket: BucketLocks = { keepsVersions: true, locksObjects: true }
  destruction: (key: string) => Destruction = () => 'refused'
  /** What an attempt to extend a lock meets. */
  refusal: AppError | undefined

  constructor(lock: LockSettings | undefined, now: () => Date) {
    super('lockable:', now)
    this.retention = {
      lock,
      now,
      findLockedUntil: async key => {
        this.asked.push(`find ${key}`)
        return this.ends.get(key)
      },
      extendLock: async (key, until) => {
        this.asked.push(`extend ${key}`)
        if (this.refusal) throw this.refusal
        if (!(await this.find(key)))
          throw storageError('storage-not-found', { verb: 'lock', key, location: this.location })
        if (until > (this.ends.get(key) ?? new Date(0))) this.ends.set(key, until)
      },
      readBucket: async () => this.bucket,
      tryToDestroy: async key => this.destruction(key),
      advice: ['Turn on locks.'],
    }
  }

  override async save(key: string, content: Uint8Array | readonly Uint8Array[], options: SaveOptions = {}) {
    this.asked.push(`save ${key}`)
    await super.save(key, content, options)
    if (options.lockedUntil) this.ends.set(key, options.lockedUntil)
  }

  override async remove(key: string, options?: StorageCallOptions): Promise<void> {
    await super.remove(key, options)
    this.ends.delete(key)
  }
}
