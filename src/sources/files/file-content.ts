import { type BigIntStats, closeSync, constants, fstatSync, open, read } from 'node:fs'
import { promisify } from 'node:util'
import { systemCode } from '../../base/errors.ts'
import type { Content, ZeroRun } from '../source.ts'
import { type Hole, zerosOf } from './holes.ts'
import { sameState } from './node-meta.ts'
import { type RawPath, toBuffer } from './raw-path.ts'

/** A symlink that was swapped in is not followed, and a fifo that was swapped in does not make us wait for a writer. */
export const SAFE_READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Absent where the system has no such flag. */
const QUIET_READ = SAFE_READ | (constants.O_NOATIME ?? 0)

/*
 * Plain descriptors instead of `FileHandle`, and the calls that never wait for a disk (fstat, close) made at once: for a
 * small file the ways through Node's thread pool cost several times what the system's calls do.
 */
const openFile = promisify(open)
const readFile = promisify(read)

/** Opens a file without touching its access time, where we may (its owner and root may). */
export async function openQuietly(path: RawPath): Promise<number> {
  try {
    return await openFile(toBuffer(path), QUIET_READ)
  } catch (error) {
    if (systemCode(error) !== 'EPERM') throw error
    return openFile(toBuffer(path), SAFE_READ)
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
  readonly #file: number
  readonly #opened: BigIntStats
  readonly #events: FileContentEvents
  readonly #endBytes: number
  readonly zeros: ZeroRun | undefined
  readonly #position = { atBytes: 0 }
  #closed = false

  constructor(file: number, opened: BigIntStats, holes: readonly Hole[], events: FileContentEvents) {
    this.zeros = zerosOf(holes, this.#position)
    this.#file = file
    this.#opened = opened
    this.#events = events
    this.sizeBytes = Number(opened.size)
    // A log that grows as fast as it is read would never end. Files of the kernel say 0 and have content all the same.
    this.#endBytes = this.sizeBytes === 0 ? Number.POSITIVE_INFINITY : this.sizeBytes
  }

  async read(into: Uint8Array): Promise<number> {
    const wanted = Math.min(into.length, this.#endBytes - this.#position.atBytes)
    let filled = 0
    try {
      while (filled < wanted) {
        const { bytesRead } = await readFile(this.#file, into, filled, wanted - filled, this.#position.atBytes)
        if (bytesRead === 0) break
        filled += bytesRead
        this.#position.atBytes += bytesRead
      }
    } catch (error) {
      throw this.#events.unreadable(error)
    }
    return filled
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#closed = true
    try {
      if (!sameState(this.#opened, fstatSync(this.#file, { bigint: true }))) this.#events.changed()
    } finally {
      closeSync(this.#file)
    }
    return Promise.resolve()
  }
}
