import { hash } from 'node:crypto'
import { readSync } from 'node:fs'
import { MARK_BYTES, Marker } from '../marks/marks.ts'

/** Runs in a worker thread: which parts of a file are already what they should be. */
export interface CompareJob {
  readonly descriptor: number
  /** Where the first part begins; each of the others follows the one before. */
  readonly offset: number
  readonly lengths: Uint32Array
  /** 32 bytes a part: the SHA-256 it should have. */
  readonly ids: Uint8Array
  /** Faster than hashing, where the wanted content has them. */
  readonly marks: PartMarks | undefined
}

/** The marks that stretches of the file should have: each a whole number of parts. */
export interface PartMarks {
  readonly key: Uint8Array
  readonly stretchBytes: number
  /** Of the first stretch that begins in the job, and those after it. */
  readonly bytes: Uint8Array
}

const READ_BYTES = 1024 * 1024

/** One byte a part, 1 where it differs. What cannot be read counts as different: writing it will tell why. */
export function runCompareJob(job: CompareJob): Uint8Array {
  const differs = new Uint8Array(job.lengths.length).fill(1)
  const ids = Buffer.from(job.ids.buffer, job.ids.byteOffset, job.ids.byteLength)
  const window = new FileWindow(job.descriptor)
  let offset = job.offset
  const marked = job.marks && new MarkedStretches(job, job.marks)
  for (let at = 0; at < job.lengths.length; ) {
    const same = marked?.countSame(at, offset, window) ?? 0
    if (same > 0) {
      differs.fill(0, at, at + same)
      offset += marked?.stretchBytes ?? 0
      at += same
      continue
    }
    const length = job.lengths[at] ?? 0
    const part = window.read(offset, length)
    if (part && ids.compare(hash('sha256', part, 'buffer'), 0, 32, at * 32, at * 32 + 32) === 0) differs[at] = 0
    offset += length
    at++
  }
  return differs
}

class MarkedStretches {
  readonly stretchBytes: number
  readonly #lengths: Uint32Array
  readonly #marks: PartMarks
  readonly #marker: Marker
  readonly #firstAt: number

  constructor({ lengths, offset }: CompareJob, marks: PartMarks) {
    this.#lengths = lengths
    this.stretchBytes = marks.stretchBytes
    this.#marks = marks
    this.#marker = new Marker(marks.key)
    this.#firstAt = firstStretchAt(offset, marks.stretchBytes)
  }

  /** How many parts, from this one on, are what they should be by the mark of the stretch that begins here. */
  countSame(part: number, offset: number, window: FileWindow): number {
    const { stretchBytes } = this
    const { bytes } = this.#marks
    const at = ((offset - this.#firstAt) / stretchBytes) * MARK_BYTES
    if (!Number.isInteger(at) || at < 0 || at + MARK_BYTES > bytes.length) return 0
    const parts = this.#countParts(part, stretchBytes)
    const found = parts > 0 ? window.read(offset, stretchBytes) : undefined
    return found && this.#marker.mark(found).equals(bytes.subarray(at, at + MARK_BYTES)) ? parts : 0
  }

  /** The parts that make exactly this many bytes; 0 where the job ends before. */
  #countParts(first: number, bytes: number): number {
    let left = bytes
    let part = first
    while (left > 0 && part < this.#lengths.length) left -= this.#lengths[part++] ?? 0
    return left === 0 ? part - first : 0
  }
}

/** Where the first stretch begins at or after an offset. */
export function firstStretchAt(offset: number, stretchBytes: number): number {
  return Math.ceil(offset / stretchBytes) * stretchBytes
}

// One a thread; only used within one job. Given back by the collector, one a job would pile up.
const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES)

/** Reads ahead in large steps. */
class FileWindow {
  readonly #descriptor: number
  #buffer = readBuffer
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
