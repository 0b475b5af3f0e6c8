import { PREFIX_CHARS, RowSpill, type Side } from './row-spill.ts'

export type { Side } from './row-spill.ts'

/** A row by its digests: 16 bytes each, as Latin-1 text. Equal rows of one table have equal digests. */
export interface DigestedRow {
  /** Of its primary key. Undefined for a row without one: it is matched as a whole. */
  readonly key: string | undefined
  readonly row: string
}

/** What of a table's rows found no equal on the other side. */
export interface Unmatched {
  onChanged(table: number, key: string): void
  /** `digest` is of the key where `keyed`, else of the row. */
  onOnly(side: Side, table: number, only: OnlyRows): void
}

export interface OnlyRows {
  readonly keyed: boolean
  readonly digest: string
  readonly count: number
}

/** So many unmatched rows stay in memory: some 30 MB. */
const MAX_PENDING = 150_000

/**
 * Matches the rows of two sides, which come in any order. A row leaves when its equal comes, so where both sides come in about
 * the same order, memory holds no more than what differs. Beyond a bound that goes to files, parted by digest, and each part
 * is matched alone.
 */
export class RowMatcher {
  readonly #unmatched: Unmatched
  readonly #spill: RowSpill
  readonly #maxPending: number
  /** Table and key -> side and row. */
  readonly #keyed = new Map<string, string>()
  /** Table and row -> how many more `after` has; negative: `before`. */
  readonly #rows = new Map<string, number>()

  /** `folder` is private and exists; `close` removes what this leaves there. */
  constructor(folder: string, unmatched: Unmatched, maxPending = MAX_PENDING) {
    this.#unmatched = unmatched
    this.#maxPending = maxPending
    this.#spill = new RowSpill(folder)
  }

  add(side: Side, table: number, { key, row }: DigestedRow): void {
    const prefix = prefixOf(table)
    if (key === undefined) this.#addRow(prefix + row, side === 'after' ? 1 : -1)
    else this.#addKeyed(side, prefix, key, row)
    if (this.#keyed.size + this.#rows.size > this.#maxPending) this.#spillAll()
  }

  /** All rows were added: tells what is left. */
  finish(): void {
    if (this.#spill.isEmpty) return this.#tellRest()
    this.#spillAll()
    for (const part of this.#spill.parts(this.#maxPending)) {
      for (const { side, isKeyed, name, row, count } of part) {
        const signed = side === 'after' ? count : -count
        if (!isKeyed) this.#addRow(name, signed)
        else this.#addKeyed(side, name.slice(0, PREFIX_CHARS), name.slice(PREFIX_CHARS), row)
      }
      this.#tellRest()
      this.#keyed.clear()
      this.#rows.clear()
    }
  }

  close(): void {
    this.#spill.close()
  }

  #addKeyed(side: Side, prefix: string, key: string, row: string): void {
    const name = prefix + key
    const other = this.#keyed.get(name)
    const mark = MARKS[side]
    if (other === undefined) this.#keyed.set(name, mark + row)
    // Two rows of one side with one key: not by the engine's rules, but nothing may get lost.
    else if (other.startsWith(mark)) this.#addRow(prefix + row, side === 'after' ? 1 : -1)
    else {
      this.#keyed.delete(name)
      if (other.slice(1) !== row) this.#unmatched.onChanged(tableOf(prefix), key)
    }
  }

  #addRow(name: string, count: number): void {
    const sum = (this.#rows.get(name) ?? 0) + count
    if (sum === 0) this.#rows.delete(name)
    else this.#rows.set(name, sum)
  }

  #tellRest(): void {
    for (const [name, value] of this.#keyed) {
      const digest = name.slice(PREFIX_CHARS)
      const side = value.startsWith(MARKS.after) ? 'after' : 'before'
      this.#unmatched.onOnly(side, tableOf(name), { keyed: true, digest, count: 1 })
    }
    for (const [name, sum] of this.#rows) {
      const only = { keyed: false, digest: name.slice(PREFIX_CHARS), count: Math.abs(sum) }
      this.#unmatched.onOnly(sum > 0 ? 'after' : 'before', tableOf(name), only)
    }
  }

  #spillAll(): void {
    for (const [name, value] of this.#keyed) {
      const side = value.startsWith(MARKS.after) ? 'after' : 'before'
      this.#spill.write({ side, isKeyed: true, name, row: value.slice(1), count: 1 })
    }
    for (const [name, sum] of this.#rows) {
      const row = name.slice(PREFIX_CHARS)
      this.#spill.write({ side: sum > 0 ? 'after' : 'before', isKeyed: false, name, row, count: Math.abs(sum) })
    }
    this.#keyed.clear()
    this.#rows.clear()
  }
}

const MARKS: Readonly<Record<Side, string>> = { before: '-', after: '+' }

function prefixOf(table: number): string {
  return String.fromCharCode(table >>> 16, (table >>> 8) & 0xff, table & 0xff)
}

function tableOf(name: string): number {
  return (name.charCodeAt(0) << 16) | (name.charCodeAt(1) << 8) | name.charCodeAt(2)
}
