import { createHash, type Hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { AppError, messageOf } from '../../../../base/errors.ts'
import type { Content, Cut } from '../../../source.ts'
import { PAGE_BYTES } from '../pages/page-checksum.ts'
import type { PageVerifier } from '../pages/page-verifier.ts'
import { cutOf, relationOf } from './cluster-files.ts'

export interface FileRead {
  readonly sizeBytes: number
  /** Hex; undefined where it was not asked for. */
  readonly sha256: string | undefined
}

export interface ClusterFileOptions {
  /** Relative to the data directory. */
  readonly path: string
  /** As it was when opened: what is appended later is in the log. */
  readonly sizeBytes: number
  /** Where it is cut, for a relation whose pages were looked at; else its path says it. */
  readonly blockBytes?: number | undefined
  /** Verifies pages of relations; undefined where the cluster has no checksums. */
  readonly verifier: PageVerifier | undefined
  /** Compute the SHA-256 of all of it, too. */
  readonly hashed: boolean
  /** Called at `close`, when all of it was read. */
  readonly onRead: ((read: FileRead) => void) | undefined
}

/** One file of a running cluster, read from start to the end that it had when it was opened. */
export class ClusterFile implements Content {
  readonly sizeBytes: number
  readonly cut: Cut
  readonly #file: FileHandle
  readonly #options: ClusterFileOptions
  readonly #firstBlock: number | undefined
  readonly #hash: Hash | undefined
  /** Bytes of a page that the caller's buffer had no room for. */
  #rest: Uint8Array = new Uint8Array(0)
  #atBytes = 0
  #ended = false
  #closed = false

  constructor(file: FileHandle, options: ClusterFileOptions) {
    this.#file = file
    this.#options = options
    this.sizeBytes = options.sizeBytes
    this.cut = options.blockBytes ? { kind: 'fixed', blockBytes: options.blockBytes } : cutOf(options.path)
    this.#hash = options.hashed ? createHash('sha256') : undefined
    // A size that is no whole number of pages is of a file that is just growing: its pages can't be told.
    const whole = options.sizeBytes % PAGE_BYTES === 0
    this.#firstBlock = options.verifier && whole ? relationOf(options.path)?.firstBlock : undefined
  }

  async read(into: Uint8Array): Promise<number> {
    let filled = 0
    while (filled < into.length) {
      if (this.#rest.length === 0) {
        const direct = Math.floor((into.length - filled) / PAGE_BYTES) * PAGE_BYTES
        const target = direct > 0 ? into.subarray(filled, filled + direct) : Buffer.allocUnsafeSlow(PAGE_BYTES)
        const count = await this.#fill(target)
        if (count === 0) break
        if (direct > 0) {
          filled += count
          continue
        }
        this.#rest = target.subarray(0, count)
      }
      const part = this.#rest.subarray(0, into.length - filled)
      into.set(part, filled)
      this.#rest = this.#rest.subarray(part.length)
      filled += part.length
    }
    return filled
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#ended) this.#options.onRead?.({ sizeBytes: this.#atBytes, sha256: this.#hash?.digest('hex') })
    await this.#file.close()
  }

  /** Fills whole pages, verified; less than asked only at the end of the file. */
  async #fill(target: Uint8Array): Promise<number> {
    const wanted = Math.min(target.length, this.sizeBytes - this.#atBytes)
    const count = await this.#readAt(target, wanted, this.#atBytes)
    const from = this.#atBytes
    const wholePages = target.subarray(0, count - (count % PAGE_BYTES))
    if (this.#firstBlock !== undefined && wholePages.length > 0) {
      const firstBlock = this.#firstBlock + from / PAGE_BYTES
      await this.#options.verifier?.verify(
        wholePages,
        { path: this.#options.path, firstBlock },
        async (page, number) => {
          return (await this.#readAt(page, PAGE_BYTES, from + number * PAGE_BYTES)) === PAGE_BYTES
        },
      )
    }
    this.#hash?.update(target.subarray(0, count))
    this.#atBytes += count
    if (count < target.length || this.#atBytes >= this.sizeBytes) this.#ended = true
    return count
  }

  async #readAt(target: Uint8Array, length: number, position: number): Promise<number> {
    let filled = 0
    try {
      while (filled < length) {
        const { bytesRead } = await this.#file.read(target, filled, length - filled, position + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
    } catch (error) {
      throw new AppError('source-unreachable', `cannot read ${this.#options.path}: ${messageOf(error)}`, {
        hint: 'The disk under the data directory may be failing: look at the system log.',
        cause: error,
      })
    }
    return filled
  }
}
