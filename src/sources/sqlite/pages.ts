import type { FileHandle } from 'node:fs/promises'
import type { Content, Cut, FilePiece } from '../source.ts'
import { isBare, overlayPages, type Wal } from './overlay.ts'

/** The bytes of a database as of one instant. */
export interface Pages {
  readonly sizeBytes: number
  /** Fills all of `into` from `position`, which lies with its end within `sizeBytes`. */
  fill(into: Uint8Array, position: number): Promise<void>
  /** A descriptor that holds these bytes at the same position (zeros from its end on), if there is one. */
  descriptorOf(position: number, lengthBytes: number): number | undefined
}

/** Read by several threads at once, for one memory copy is slower than two. */
const SLICE_BYTES = 1 << 20

/** A file, with the pages that are newer in the WAL put over it. Where the file ends early, there are zeros. */
export class FilePages implements Pages {
  readonly sizeBytes: number
  readonly #file: FileHandle
  readonly #wal: Wal | undefined

  constructor(file: FileHandle, sizeBytes: number, wal?: Wal) {
    this.#file = file
    this.sizeBytes = sizeBytes
    this.#wal = wal
  }

  async fill(into: Uint8Array, position: number): Promise<void> {
    const slices: Promise<void>[] = []
    for (let at = 0; at < into.length; at += SLICE_BYTES) {
      slices.push(this.#fillSlice(into.subarray(at, at + SLICE_BYTES), position + at))
    }
    await Promise.all(slices)
  }

  descriptorOf(position: number, lengthBytes: number): number | undefined {
    return this.#wal && !isBare(this.#wal, position, lengthBytes) ? undefined : this.#file.fd
  }

  async #fillSlice(into: Uint8Array, position: number): Promise<void> {
    let filled = 0
    while (filled < into.length) {
      const { bytesRead } = await this.#file.read(into, filled, into.length - filled, position + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    into.fill(0, filled)
    if (this.#wal && this.#wal.table.pages.length > 0) await overlayPages(this.#wal, into, position)
  }
}

export class MemoryPages implements Pages {
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  get sizeBytes(): number {
    return this.bytes.length
  }

  fill(into: Uint8Array, position: number): Promise<void> {
    into.set(this.bytes.subarray(position, position + into.length))
    return Promise.resolve()
  }

  descriptorOf(): undefined {
    return undefined
  }
}

/** Reads pages from start to end. */
export class PagesContent implements Content {
  readonly cut: Cut
  readonly #pages: Pages
  readonly #check: () => void
  #position = 0

  /** `check` is called before each read and throws to stop it. */
  constructor(pages: Pages, cut: Cut, check: () => void) {
    this.#pages = pages
    this.cut = cut
    this.#check = check
  }

  get sizeBytes(): number {
    return this.#pages.sizeBytes
  }

  skip(lengthBytes: number): FilePiece | undefined {
    this.#check()
    const position = this.#position
    const count = this.#left(lengthBytes)
    const descriptor = count > 0 ? this.#pages.descriptorOf(position, count) : undefined
    if (descriptor === undefined) return undefined
    this.#position += count
    return { descriptor, position, lengthBytes: count }
  }

  async read(into: Uint8Array): Promise<number> {
    this.#check()
    const count = this.#left(into.length)
    if (count <= 0) return 0
    await this.#pages.fill(into.subarray(0, count), this.#position)
    this.#position += count
    return count
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #left(wanted: number): number {
    return Math.max(0, Math.min(wanted, this.#pages.sizeBytes - this.#position))
  }
}
