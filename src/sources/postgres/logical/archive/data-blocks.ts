const TABLE_ROWS = 1
const LARGE_OBJECTS = 3
/** A sign byte, then the amount with its lowest byte first. */
const INT_BYTES = 5

/** What to do with the rows of tables, in COPY's text form, as they come by. */
export interface TableDataSink {
  /** `id`: of its entry in the table of contents. */
  begin(id: number): void
  /** `bytes` from `from` up to `to`; they may be used again afterwards. */
  part(bytes: Buffer, from: number, to: number): void
  end(id: number): void
}

/**
 * What follows the table of contents: blocks of parts, each with its length before it, the last one empty. Large objects
 * are a list of such blocks, each with its number.
 *
 * @see PostgreSQL's src/bin/pg_dump/pg_backup_custom.c
 */
export class DataBlocks {
  readonly #sink: TableDataSink
  #at: 'block' | 'id' | 'object' | 'length' | 'bytes' = 'block'
  #isTable = false
  #id = 0
  /** Bytes of the part that are still to come. */
  #left = 0
  readonly #int = Buffer.alloc(INT_BYTES)
  #intBytes = 0

  constructor(sink: TableDataSink) {
    this.#sink = sink
  }

  /** False when it is not what we know. */
  add(bytes: Buffer): boolean {
    for (let from = 0; from < bytes.length; ) {
      if (this.#at === 'bytes') from = this.#addPart(bytes, from)
      else if (this.#at === 'block') {
        const kind = bytes[from++]
        if (kind !== TABLE_ROWS && kind !== LARGE_OBJECTS) return false
        this.#isTable = kind === TABLE_ROWS
        this.#at = 'id'
      } else {
        const wanted = Math.min(INT_BYTES - this.#intBytes, bytes.length - from)
        bytes.copy(this.#int, this.#intBytes, from, from + wanted)
        from += wanted
        this.#intBytes += wanted
        if (this.#intBytes < INT_BYTES) break
        this.#intBytes = 0
        this.#addInt(this.#int.readUInt32LE(1))
      }
    }
    return true
  }

  #addPart(bytes: Buffer, from: number): number {
    const to = Math.min(from + this.#left, bytes.length)
    if (this.#isTable) this.#sink.part(bytes, from, to)
    this.#left -= to - from
    if (this.#left === 0) this.#at = 'length'
    return to
  }

  #addInt(value: number): void {
    if (this.#at === 'id') {
      this.#id = value
      if (this.#isTable) this.#sink.begin(value)
      this.#at = this.#isTable ? 'length' : 'object'
    } else if (this.#at === 'object') this.#at = value === 0 ? 'block' : 'length'
    else if (value !== 0) {
      this.#left = value
      this.#at = 'bytes'
    } else if (this.#isTable) {
      this.#sink.end(this.#id)
      this.#at = 'block'
    } else this.#at = 'object'
  }
}
