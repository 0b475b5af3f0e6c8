import { displayName } from '../tables/table-pattern.ts'
import { DataBlocks, type TableDataSink } from './data-blocks.ts'
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
    this.#blocks = new DataBlocks(
      new LineCounter((id, rows) => {
        const table = tables.get(id)
        if (table !== undefined) this.#report(table, rows)
      }),
    )
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

/** After the rows pg_dump writes `\\.` and two empty lines. */
const LINES_AFTER = 3

class LineCounter implements TableDataSink {
  readonly #report: (id: number, rows: number) => void
  #lines = 0

  constructor(report: (id: number, rows: number) => void) {
    this.#report = report
  }

  begin(): void {
    this.#lines = 0
  }

  part(bytes: Buffer, from: number, to: number): void {
    this.#lines += countLines(bytes, from, to)
  }

  end(id: number): void {
    this.#report(id, this.#lines - LINES_AFTER)
  }
}

const NEWLINE = 10
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
