import { hash } from 'node:crypto'
import { readSync } from 'node:fs'

/** Runs in a worker thread: which parts of a file are already what they should be. */
export interface CompareJob {
  readonly descriptor: number
  /** Where the first part begins; each of the others follows the one before. */
  readonly offset: number
  readonly lengths: Uint32Array
  /** 32 bytes a part: the SHA-256 it should have. */
  readonly ids: Uint8Array
}

const READ_BYTES = 1024 * 1024

/** One byte a part, 1 where it differs. What cannot be read counts as different: writing it will tell why. */
export function runCompareJob(job: CompareJob): Uint8Array {
  const differs = new Uint8Array(job.lengths.length).fill(1)
  const ids = Buffer.from(job.ids.buffer, job.ids.byteOffset, job.ids.byteLength)
  const window = new FileWindow(job.descriptor)
  let offset = job.offset
  for (const [at, length] of job.lengths.entries()) {
    const part = window.read(offset, length)
    if (part && ids.compare(hash('sha256', part, 'buffer'), 0, 32, at * 32, at * 32 + 32) === 0) differs[at] = 0
    offset += length
  }
  return differs
}

/** Reads ahead in large steps. */
class FileWindow {
  readonly #descriptor: number
  #buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  #start = 0
  #end = 0

  constructor(descriptor: number) {
    this.#descriptor = descriptor
  }

  /** Exactly these bytes, valid until the next call, or undefined. */
  read(offset: number, length: number): Buffer | undefined {
    if (offset < this.#start || offset + length > this.#end) this.#fill(offset, length)
    if (offset + length > this.#end) return undefined
    return this.#buffer.subarray(offset - this.#start, offset - this.#start + length)
  }

  #fill(offset: number, length: number): void {
    if (length > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(length)
    this.#start = offset
    this.#end = offset
    try {
      while (this.#end - offset < this.#buffer.length) {
        const at = this.#end - offset
        const count = readSync(this.#descriptor, this.#buffer, at, this.#buffer.length - at, this.#end)
        if (count === 0) return
        this.#end += count
      }
    } catch {
      // A bad sector: what was read before it counts.
    }
  }
}
