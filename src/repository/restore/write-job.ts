import { writeSync } from 'node:fs'
import { isAppError, messageOf, systemCode } from '../../base/errors.ts'
import type { Cipher } from '../crypto/cipher.ts'
import type { Zstd } from '../crypto/zstd.ts'
import { openBlob } from '../pack/blob.ts'
import { type BlobTable, rowOf } from '../read/blob-table.ts'

/** Runs in a worker thread: opens blobs of one loaded range and writes them where they belong. */
export interface WriteJob {
  readonly bytes: Uint8Array
  readonly blobs: BlobTable
  /** `WRITE_COLUMNS` numbers a write, those of one blob together: blob, descriptor, file offset, sparse (0 or 1). */
  readonly writes: Float64Array
}

export const WRITE_COLUMNS = 4

export interface WriteOutcome {
  /** The job's bytes, handed back. */
  readonly bytes: Uint8Array
  readonly writtenBytes: number
  /** Blobs that are not what they should be; nothing of them was written. */
  readonly damaged: readonly { readonly blob: number; readonly reason: string }[]
  /** The file system refused; nothing more was tried. */
  readonly failure?: { readonly descriptor: number; readonly code: string | undefined; readonly message: string }
}

export function runWriteJob(job: WriteJob, cipher: Cipher, zstd: Zstd): WriteOutcome {
  const damaged: { blob: number; reason: string }[] = []
  const writer = new GatheringWriter()
  try {
    for (let at = 0; at < job.writes.length; ) {
      const blob = job.writes[at] ?? 0
      // What goes to several places is opened elsewhere: each write may move what is gathered.
      const isOnce = job.writes[at + WRITE_COLUMNS] !== blob
      const plaintext = tryOpen(job, blob, cipher, zstd, isOnce ? writer : undefined)
      if (!(plaintext instanceof Uint8Array)) damaged.push({ blob, reason: plaintext.reason })
      for (; at < job.writes.length && job.writes[at] === blob; at += WRITE_COLUMNS) {
        if (!(plaintext instanceof Uint8Array)) continue
        const sparse = job.writes[at + 3] === 1
        if (sparse && isZero(plaintext)) continue
        writer.write(job.writes[at + 1] ?? -1, plaintext, job.writes[at + 2] ?? 0)
      }
    }
    writer.flush()
  } catch (error) {
    if (!(error instanceof WriteFailure)) throw error
    const { descriptor, cause } = error
    return {
      bytes: job.bytes,
      writtenBytes: writer.writtenBytes,
      damaged,
      failure: { descriptor, code: systemCode(cause), message: messageOf(cause) },
    }
  }
  return { bytes: job.bytes, writtenBytes: writer.writtenBytes, damaged }
}

function tryOpen(
  job: WriteJob,
  at: number,
  cipher: Cipher,
  zstd: Zstd,
  writer: GatheringWriter | undefined,
): Buffer | { readonly reason: string } {
  const blob = rowOf(job.blobs, at)
  const sealed = job.bytes.subarray(blob.offset, blob.offset + blob.length)
  try {
    return openBlob(sealed, blob, cipher, zstd, writer?.roomFor(blob.uncompressedLength))
  } catch (error) {
    if (isAppError(error, 'damaged')) return { reason: error.message }
    throw error
  }
}

const ZERO = Buffer.alloc(64 * 1024)

function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += ZERO.length) {
    const part = bytes.subarray(at, at + ZERO.length)
    if (!ZERO.subarray(0, part.length).equals(part)) return false
  }
  return true
}

class WriteFailure extends Error {
  readonly descriptor: number

  constructor(descriptor: number, cause: unknown) {
    super('write failed', { cause })
    this.descriptor = descriptor
  }
}

const GATHER_BYTES = 1024 * 1024
const GATHER_UP_TO_BYTES = 256 * 1024
// One a thread; only used within one job.
const gathered = Buffer.allocUnsafeSlow(GATHER_BYTES)

/** Joins small writes that follow each other in one file: a system call costs as much as copying 16 KiB. */
class GatheringWriter {
  writtenBytes = 0
  #descriptor = -1
  #offset = 0
  #length = 0

  /** Memory for what will be written next: it need not be copied then. Undefined for what is not gathered. */
  roomFor(bytes = 0): Buffer | undefined {
    if (bytes > GATHER_UP_TO_BYTES) return undefined
    if (this.#length + bytes > GATHER_BYTES) this.flush()
    return gathered.subarray(this.#length, this.#length + bytes)
  }

  write(descriptor: number, bytes: Uint8Array, offset: number): void {
    const follows = descriptor === this.#descriptor && offset === this.#offset + this.#length
    if (!follows || this.#length + bytes.length > GATHER_BYTES) this.flush()
    if (bytes.length > GATHER_UP_TO_BYTES) {
      this.flush()
      this.#writeAll(descriptor, bytes, offset)
      return
    }
    if (this.#length === 0) {
      this.#descriptor = descriptor
      this.#offset = offset
    }
    const isThere = bytes.buffer === gathered.buffer && bytes.byteOffset === gathered.byteOffset + this.#length
    if (!isThere) gathered.set(bytes, this.#length)
    this.#length += bytes.length
  }

  flush(): void {
    const length = this.#length
    this.#length = 0
    if (length > 0) this.#writeAll(this.#descriptor, gathered.subarray(0, length), this.#offset)
  }

  #writeAll(descriptor: number, bytes: Uint8Array, offset: number): void {
    try {
      for (let at = 0; at < bytes.length; ) {
        const count = writeSync(descriptor, bytes, at, bytes.length - at, offset + at)
        at += count
        this.writtenBytes += count
      }
    } catch (error) {
      throw new WriteFailure(descriptor, error)
    }
  }
}
