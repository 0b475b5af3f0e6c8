import type { Clock } from '../../base/clock.ts'
import { isAppError } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import type { RepositoryFiles } from '../files/repository-files.ts'

/** So long a reading is carried on by a clock that cannot jump. */
const READING_MS = 60_000

/**
 * The time that the storage stamps files with. It is neither ours nor the one of who wrote a lock: each of these two
 * may be wrong by hours, and the age of a file is right by this one all the same.
 */
export class StorageClock {
  readonly #files: RepositoryFiles
  readonly #clock: Clock
  #read: { readonly now: number; readonly atMs: number } | undefined

  constructor(files: RepositoryFiles, clock: Clock) {
    this.#files = files
    this.#clock = clock
  }

  /**
   * The storage's present time, by a file that is written for it; undefined where it tells no times.
   * @param write stores a lock file, which is removed again at once
   */
  async now(write: () => Promise<Id>): Promise<number | undefined> {
    const elapsedMs = this.#clock.monotonicMs() - (this.#read?.atMs ?? 0)
    if (this.#read !== undefined && elapsedMs < READING_MS) return this.#read.now + elapsedMs
    const id = await write()
    try {
      const written = await this.#files.modifiedAt('lock', id)
      this.#read = written && { now: written.getTime(), atMs: this.#clock.monotonicMs() }
      return this.#read?.now
    } finally {
      await this.#remove(id)
    }
  }

  /** Who may only add leaves it: a shared lock of a process that is gone before anybody asks. */
  async #remove(id: Id): Promise<void> {
    try {
      await this.#files.remove('lock', id)
    } catch (error) {
      if (!isAppError(error, 'storage-denied') && !isAppError(error, 'storage-locked')) throw error
    }
  }
}
