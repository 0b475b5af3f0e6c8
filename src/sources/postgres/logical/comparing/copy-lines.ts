import { createHash, type Hash } from 'node:crypto'

/** One value in COPY's text form, escaped as it came: `\N` is NULL. */
export type CopyField = Buffer | LongField

/** Of a value that is too long to be held. */
export interface LongField {
  readonly start: Buffer
  readonly bytes: number
  readonly digest: Buffer
}

/** A row: as its line where that is short, else as its fields. */
export type CopyRow = { readonly line: Buffer } | { readonly fields: readonly CopyField[] }

const TAB = 9
const NEWLINE = 10
/** Longer lines are taken apart on their way, and of longer fields only the digest is kept. */
export const LONG_BYTES = 16 * 1024

/**
 * Takes rows in COPY's text form apart as they come, in pieces of any length; a row of any length takes no more memory than
 * its columns times 16 KiB. Tabs and newlines within values are escaped. What is given to `onRow` is only valid during the call.
 */
export class CopyLines {
  readonly #onRow: (row: CopyRow) => void
  /** The line so far, which no newline has ended. */
  #line: Buffer[] = []
  #lineBytes = 0
  /** Of a long line: the fields that are complete, and the one that is not. */
  #fields: CopyField[] | undefined
  #field = new FieldReader()

  constructor(onRow: (row: CopyRow) => void) {
    this.#onRow = onRow
  }

  add(bytes: Buffer): void {
    for (let from = 0; from < bytes.length; ) {
      const end = bytes.indexOf(NEWLINE, from)
      const part = bytes.subarray(from, end < 0 ? bytes.length : end)
      if (this.#fields !== undefined || this.#lineBytes + part.length > LONG_BYTES) this.#addLong(part)
      else if (end >= 0 && this.#lineBytes === 0) this.#onRow({ line: part })
      // Whoever gave it may use it again.
      else this.#keep(Buffer.from(part))
      if (end < 0) return
      this.#endLine()
      from = end + 1
    }
  }

  /** The last line was ended. */
  get isWhole(): boolean {
    return this.#lineBytes === 0 && this.#fields === undefined
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return
    this.#line.push(part)
    this.#lineBytes += part.length
  }

  #addLong(part: Buffer): void {
    const before = this.#line
    this.#line = []
    this.#lineBytes = 0
    for (const piece of [...before, part]) this.#addFields(piece)
  }

  #addFields(bytes: Buffer): void {
    const fields = (this.#fields ??= [])
    let from = 0
    for (let end = bytes.indexOf(TAB); end >= 0; end = bytes.indexOf(TAB, from)) {
      this.#field.add(bytes.subarray(from, end))
      fields.push(this.#field.end())
      from = end + 1
    }
    this.#field.add(bytes.subarray(from))
  }

  #endLine(): void {
    if (this.#fields !== undefined) {
      this.#onRow({ fields: [...this.#fields, this.#field.end()] })
      this.#fields = undefined
    } else if (this.#lineBytes > 0) {
      this.#onRow({ line: Buffer.concat(this.#line, this.#lineBytes) })
      this.#line = []
      this.#lineBytes = 0
    }
  }
}

class FieldReader {
  #parts: Buffer[] = []
  #bytes = 0
  #start: Buffer | undefined
  #hash: Hash | undefined

  add(bytes: Buffer): void {
    this.#bytes += bytes.length
    if (this.#hash === undefined && this.#bytes <= LONG_BYTES) this.#parts.push(Buffer.from(bytes))
    else {
      this.#startHash()
      this.#hash?.update(bytes)
      if (this.#start !== undefined && this.#start.length < LONG_BYTES) {
        this.#start = Buffer.concat([this.#start, bytes.subarray(0, LONG_BYTES - this.#start.length)])
      }
    }
  }

  #startHash(): void {
    if (this.#hash !== undefined) return
    this.#start = Buffer.concat(this.#parts)
    this.#hash = createHash('sha256').update(this.#start)
    this.#parts = []
  }

  end(): CopyField {
    const field = this.#hash
      ? { start: this.#start ?? Buffer.alloc(0), bytes: this.#bytes, digest: this.#hash.digest() }
      : Buffer.concat(this.#parts)
    this.#parts = []
    this.#bytes = 0
    this.#start = undefined
    this.#hash = undefined
    return field
  }
}

/** The fields of a row, the first `count` of them or all. */
export function fieldsOf(row: CopyRow, count = Number.POSITIVE_INFINITY): readonly CopyField[] {
  if ('fields' in row) return row.fields
  const fields: Buffer[] = []
  let from = 0
  while (fields.length < count) {
    const end = row.line.indexOf(TAB, from)
    fields.push(row.line.subarray(from, end < 0 ? row.line.length : end))
    if (end < 0) return fields
    from = end + 1
  }
  return fields
}

export function isNull(field: CopyField): boolean {
  return Buffer.isBuffer(field) && field.length === 2 && field[0] === 92 && field[1] === 78
}
