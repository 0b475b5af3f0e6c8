import { type BigIntStats, constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { systemCode } from '../../base/errors.ts'
import type { Content } from '../source.ts'
import { sameState } from './node-meta.ts'
import { type RawPath, toBuffer } from './raw-path.ts'

/** A symlink that was swapped in is not followed, and a fifo that was swapped in does not make us wait for a writer. */
export const SAFE_READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Absent where the system has no such flag. */
const QUIET_READ = SAFE_READ | (constants.O_NOATIME ?? 0)

/** Opens a file without touching its access time, where we may (its owner and root may). */
export async function openQuietly(path: RawPath): Promise<FileHandle> {
  try {
    return await open(toBuffer(path), QUIET_READ)
  } catch (error) {
    if (systemCode(error) !== 'EPERM') throw error
    return open(toBuffer(path), SAFE_READ)
  }
}

export interface FileContentEvents {
  /** The file is not what it was when it was opened. */
  readonly changed: () => void
  /** Returns what to throw. */
  readonly unreadable: (error: unknown) => Error
}

/** The bytes of one open file, up to the size it had when it was opened. */
export class FileContent implements Content {
  readonly sizeBytes: number
  readonly cut = { kind: 'content' } as const
  readonly #file: FileHandle
  readonly #opened: BigIntStats
  readonly #events: FileContentEvents
  readonly #endBytes: number
  #atBytes = 0
  #closed = false

  constructor(file: FileHandle, opened: BigIntStats, events: FileContentEvents) {
    this.#file = file
    this.#opened = opened
    this.#events = events
    this.sizeBytes = Number(opened.size)
    // A log that grows as fast as it is read would never end. Files of the kernel say 0 and have content all the same.
    this.#endBytes = this.sizeBytes === 0 ? Number.POSITIVE_INFINITY : this.sizeBytes
  }

  async read(into: Uint8Array): Promise<number> {
    const wanted = Math.min(into.length, this.#endBytes - this.#atBytes)
    let filled = 0
    try {
      while (filled < wanted) {
        const { bytesRead } = await this.#file.read(into, filled, wanted - filled, this.#atBytes)
        if (bytesRead === 0) break
        filled += bytesRead
        this.#atBytes += bytesRead
      }
    } catch (error) {
      throw this.#events.unreadable(error)
    }
    return filled
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    try {
      if (!sameState(this.#opened, await this.#file.stat({ bigint: true }))) this.#events.changed()
    } finally {
      await this.#file.close()
    }
  }
}
