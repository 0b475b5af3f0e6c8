import { displayName } from '../tables/table-pattern.ts'
import { ArchiveReader, readTocFrom } from './toc.ts'

const NO_DEFINITIONS: ReadonlySet<string> = new Set()

/**
 * Counts the rows of each table in an uncompressed archive of pg_dump's custom format, as it comes by: exactly those that
 * a restore will find, at no cost for the server. Asking the server for them would plan a query, which runs functions that
 * the user put into indexes, with our rights, and takes locks on them; pg_dump's COPY does neither.
 */
export class ArchiveRows {
  readonly #report: (table: string, rows: number) => void
  readonly #pushed = new Pushed()
  readonly #head: Promise<void>
  #blocks: DataBlocks | undefined
  /** Its form is one that we do not know. */
  #unknown = false

  /** Names as the manifest's. Of an archive of a form that we do not know nothing is reported. */
  constructor(report: (table: string, rows: number) => void) {
    this.#report = report
    this.#head = this.#readHead().catch(() => {
      this.#unknown = true
    })
  }

  /** `bytes` may be used again afterwards. */
  async add(bytes: Buffer): Promise<void> {
    if (this.#unknown || bytes.length === 0) return
    if (this.#blocks !== undefined) {
      this.#unknown = !this.#blocks.add(bytes)
      return
    }
    this.#pushed.push(Buffer.from(bytes))
    await Promise.race([this.#head, this.#pushed.wanted()])
  }

  async #readHead(): Promise<void> {
    const reader = new ArchiveReader(this.#pushed)
    const entries = await readTocFrom(reader, NO_DEFINITIONS)
    const tables = new Map<number, string>()
    for (const { id, kind, schema = '', tag } of entries) {
      if (kind === 'TABLE DATA') tables.set(id, displayName({ schema, name: tag }))
    }
    this.#blocks = new DataBlocks((id, rows) => {
      const table = tables.get(id)
      if (table !== undefined) this.#report(table, rows)
    })
    this.#unknown = !this.#blocks.add(reader.rest)
  }
}

/** Bytes that one side pushes and the other one pulls. */
class Pushed implements AsyncIterator<Buffer> {
  #take: ((result: IteratorResult<Buffer>) => void) | undefined
  #onWanted: (() => void) | undefined

  next(): Promise<IteratorResult<Buffer>> {
    return new Promise(resolve => {
      this.#take = resolve
      this.#onWanted?.()
    })
  }

  push(bytes: Buffer): void {
    const take = this.#take
    this.#take = undefined
    take?.({ value: bytes, done: false })
  }

  wanted(): Promise<void> {
    if (this.#take !== undefined) return Promise.resolve()
    return new Promise(resolve => {
      this.#onWanted = resolve
    })
  }
}

const TABLE_ROWS = 1
const LARGE_OBJECTS = 3
/** A sign byte, then the amount with its lowest byte first. */
const INT_BYTES = 5
const NEWLINE = 10
/** After the rows pg_dump writes `\\.` and two empty lines. */
const LINES_AFTER = 3

/**
 * What follows the table of contents: blocks of parts, each with its length before it, the last one empty. Large objects
 * are a list of such blocks, each with its number.
 *
 * @see PostgreSQL's src/bin/pg_dump/pg_backup_custom.c
 */
class DataBlocks {
  readonly #end: (id: number, rows: number) => void
  #at: 'block' | 'id' | 'object' | 'length' | 'bytes' = 'block'
  #isTable = false
  #id = 0
  #lines = 0
  /** Bytes of the part that are still to come. */
  #left = 0
  readonly #int = Buffer.alloc(INT_BYTES)
  #intBytes = 0

  constructor(end: (id: number, rows: number) => void) {
    this.#end = end
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
    if (this.#isTable) this.#lines += countLines(bytes, from, to)
    this.#left -= to - from
    if (this.#left === 0) this.#at = 'length'
    return to
  }

  #addInt(value: number): void {
    if (this.#at === 'id') {
      this.#id = value
      this.#lines = 0
      this.#at = this.#isTable ? 'length' : 'object'
    } else if (this.#at === 'object') this.#at = value === 0 ? 'block' : 'length'
    else if (value !== 0) {
      this.#left = value
      this.#at = 'bytes'
    } else if (this.#isTable) {
      this.#end(this.#id, this.#lines - LINES_AFTER)
      this.#at = 'block'
    } else this.#at = 'object'
  }
}

/** A call for each line costs more than looking at a short one. */
const SHORT_BYTES = 128

function countLines(bytes: Buffer, from: number, to: number): number {
  let lines = 0
  if (to - from <= SHORT_BYTES) {
    for (let at = from; at < to; at++) if (bytes[at] === NEWLINE) lines++
    return lines
  }
  const part = bytes.subarray(from, to)
  for (let at = part.indexOf(NEWLINE); at >= 0; at = part.indexOf(NEWLINE, at + 1)) lines++
  return lines
}
