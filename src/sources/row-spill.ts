import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

export type Side = 'before' | 'after'

/** One unmatched row, or several equal ones. `name` is the table's prefix and the digest that it is matched by. */
export interface SpilledRow {
  readonly side: Side
  readonly isKeyed: boolean
  readonly name: string
  readonly row: string
  readonly count: number
}

const PARTS = 64
/** A table's number in three characters of one byte each: with any other, V8 keeps two bytes for each of the text. */
export const PREFIX_CHARS = 3
const NAME_BYTES = PREFIX_CHARS + 16
const ROW_BYTES = 16
/** One byte of flags, four for the count. */
const RECORD_BYTES = 1 + 4 + NAME_BYTES + ROW_BYTES
const BUFFERED_RECORDS = 400
const READ_RECORDS = 16_384
/** Digests are even: beyond it something else is wrong. */
const MAX_DEPTH = 8

/** Unmatched rows in files, parted by their digests: rows that match are in the same part. */
export class RowSpill {
  readonly #folder: string
  readonly #depth: number
  #dir: string | undefined
  readonly #parts: Part[] = []

  /** `depth`: which byte of the digest decides. */
  constructor(folder: string, depth = 0) {
    this.#folder = folder
    this.#depth = depth
  }

  get isEmpty(): boolean {
    return this.#dir === undefined
  }

  write(spilled: SpilledRow): void {
    this.#dir ??= mkdtempSync(join(this.#folder, 'rows-'))
    const at = spilled.name.charCodeAt(PREFIX_CHARS + this.#depth) % PARTS
    const part = (this.#parts[at] ??= new Part(join(this.#dir, String(at))))
    part.add(spilled)
  }

  /** Each part once, as its rows; one of more than `maxRows` is parted again. */
  *parts(maxRows: number): Generator<Iterable<SpilledRow>> {
    for (const part of this.#parts) {
      if (part === undefined) continue
      part.flush()
      if (part.records <= maxRows || this.#depth >= MAX_DEPTH) yield part.read()
      else {
        const finer = new RowSpill(this.#folder, this.#depth + 1)
        try {
          for (const row of part.read()) finer.write(row)
          yield* finer.parts(maxRows)
        } finally {
          finer.close()
        }
      }
      part.close()
    }
  }

  close(): void {
    for (const part of this.#parts) part?.close()
    if (this.#dir !== undefined) rmSync(this.#dir, { recursive: true, force: true })
  }
}

class Part {
  records = 0
  readonly #file: number
  readonly #buffer = Buffer.alloc(BUFFERED_RECORDS * RECORD_BYTES)
  #used = 0
  #open = true

  constructor(path: string) {
    this.#file = openSync(path, 'wx+', 0o600)
  }

  add({ side, isKeyed, name, row, count }: SpilledRow): void {
    if (this.#used === this.#buffer.length) this.flush()
    const at = this.#used
    this.#buffer[at] = (side === 'after' ? 1 : 0) | (isKeyed ? 2 : 0)
    this.#buffer.writeUInt32LE(count, at + 1)
    this.#buffer.write(name, at + 5, NAME_BYTES, 'latin1')
    this.#buffer.write(row, at + 5 + NAME_BYTES, ROW_BYTES, 'latin1')
    this.#used += RECORD_BYTES
    this.records += 1
  }

  flush(): void {
    for (let from = 0; from < this.#used; ) from += writeSync(this.#file, this.#buffer, from, this.#used - from)
    this.#used = 0
  }

  *read(): Generator<SpilledRow> {
    const buffer = Buffer.alloc(READ_RECORDS * RECORD_BYTES)
    for (let position = 0; ; ) {
      let length = 0
      while (length < buffer.length) {
        const count = readSync(this.#file, buffer, length, buffer.length - length, position)
        if (count === 0) break
        length += count
        position += count
      }
      for (let at = 0; at < length; at += RECORD_BYTES) yield decode(buffer, at)
      if (length < buffer.length) return
    }
  }

  close(): void {
    if (this.#open) closeSync(this.#file)
    this.#open = false
  }
}

function decode(buffer: Buffer, at: number): SpilledRow {
  const flags = buffer[at] ?? 0
  const name = buffer.toString('latin1', at + 5, at + 5 + NAME_BYTES)
  const row = buffer.toString('latin1', at + 5 + NAME_BYTES, at + RECORD_BYTES)
  const side = (flags & 1) === 1 ? 'after' : 'before'
  return { side, isKeyed: (flags & 2) === 2, name, row, count: buffer.readUInt32LE(at + 1) }
}
