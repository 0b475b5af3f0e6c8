const TAB = Buffer.from('\t')

/** What becomes of one column of a row. */
export interface FieldSink {
  /** So much of the start of the field is kept for `replace` or `look`. */
  readonly keepBytes: number
  /** In place of the field. Without it the field passes as it comes. */
  readonly replace?: (kept: Buffer) => Buffer
  readonly look?: (kept: Buffer) => void
}

/** Takes a row of COPY's text format apart as it comes by: no more of it is held than its columns' sinks keep. */
export class LongRow {
  readonly #sinkOf: (column: number) => FieldSink
  readonly #write: (bytes: Buffer) => void
  #column = 0
  #sink: FieldSink
  #kept: Buffer[] = []
  #keptBytes = 0

  constructor(sinkOf: (column: number) => FieldSink, write: (bytes: Buffer) => void) {
    this.#sinkOf = sinkOf
    this.#write = write
    this.#sink = sinkOf(0)
  }

  /** The next bytes of the row, which the caller may use again. */
  add(bytes: Buffer): void {
    let from = 0
    for (let end = bytes.indexOf(TAB); end >= 0; end = bytes.indexOf(TAB, from)) {
      this.#addPart(bytes.subarray(from, end))
      this.end()
      this.#write(TAB)
      this.#sink = this.#sinkOf(++this.#column)
      from = end + 1
    }
    this.#addPart(bytes.subarray(from))
  }

  /** The last field ends. */
  end(): void {
    const { replace, look } = this.#sink
    const kept = Buffer.concat(this.#kept)
    if (replace) this.#write(replace(kept))
    else look?.(kept)
    this.#kept = []
    this.#keptBytes = 0
  }

  #addPart(part: Buffer): void {
    const own = Buffer.from(part)
    const { keepBytes, replace } = this.#sink
    if (!replace) this.#write(own)
    if (this.#keptBytes >= keepBytes) return
    const kept = own.subarray(0, keepBytes - this.#keptBytes)
    this.#kept.push(kept)
    this.#keptBytes += kept.length
  }
}
