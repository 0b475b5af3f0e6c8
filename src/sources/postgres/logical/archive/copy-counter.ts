import { decodeName } from '../../../../base/bytes.ts'
import { displayName } from '../tables/table-pattern.ts'

const NEWLINE = 10
const BACKSLASH = 92
const DOT = 46
const PART = '("(?:[^"]|"")+"|[^\\s."]+)'
const COPY = new RegExp(`^COPY ${PART}\\.${PART} \\(.*\\) FROM stdin;$`)
/** A statement before the rows; longer lines are not one. */
const MAX_STATEMENT_BYTES = 1024 * 1024

/** Counts the rows of each table in the SQL that pg_restore writes, as it comes by. Names as the manifest's. */
export class CopyCounter {
  readonly rows = new Map<string, number>()
  #table: string | undefined
  #count = 0
  /** The line so far, which no newline has ended yet; of a row only its start. */
  #line: Buffer = Buffer.alloc(0)

  add(bytes: Buffer): void {
    let from = 0
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      if (this.#line.length > 0) {
        this.#endLine(Buffer.concat([this.#line, bytes.subarray(from, end)]))
        this.#line = Buffer.alloc(0)
      } else if (this.#table !== undefined && !isEndMark(bytes, from, end)) this.#count++
      else this.#endLine(bytes.subarray(from, end))
      from = end + 1
    }
    const rest = bytes.subarray(from)
    const wanted = this.#table === undefined ? MAX_STATEMENT_BYTES : 3
    const kept = rest.subarray(0, Math.max(0, wanted - this.#line.length))
    this.#line = Buffer.concat([this.#line, kept])
  }

  /** False when the text ended inside of a table's rows. */
  get whole(): boolean {
    return this.#table === undefined
  }

  #endLine(line: Buffer): void {
    if (this.#table === undefined) {
      const match = line[0] === 67 ? COPY.exec(decodeName(line)) : null
      if (!match) return
      this.#table = displayName({ schema: plain(match[1] ?? ''), name: plain(match[2] ?? '') })
      this.#count = 0
    } else if (isEndMark(line, 0, line.length)) {
      this.rows.set(this.#table, (this.rows.get(this.#table) ?? 0) + this.#count)
      this.#table = undefined
    } else this.#count++
  }
}

function isEndMark(bytes: Buffer, from: number, end: number): boolean {
  return end - from === 2 && bytes[from] === BACKSLASH && bytes[from + 1] === DOT
}

function plain(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name
}
