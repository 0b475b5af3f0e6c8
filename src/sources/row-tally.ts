import type { ComparedTable } from '../model/row-comparison.ts'
import type { OnlyRows, Side, Unmatched } from './row-matcher.ts'

export type Counts = Pick<ComparedTable, 'onlyBefore' | 'onlyAfter' | 'changed'>

/** Which rows to list: by their digests, with how many of each where they are whole rows. */
export interface WantedRows {
  readonly changed: ReadonlySet<string>
  readonly only: Readonly<Record<Side, ReadonlyMap<string, number>>>
}

/** Counts what did not match, table by table, and remembers the first of each kind where they are to be listed. */
export class RowTally implements Unmatched {
  readonly #listRows: number
  readonly #counts: Array<{ onlyBefore: number; onlyAfter: number; changed: number }> = []
  readonly #wanted: Array<{ changed: Set<string>; only: Record<Side, Map<string, number>> }> = []

  constructor(listRows = 0) {
    this.#listRows = listRows
  }

  /** A number for one more table. */
  addTable(): number {
    this.#wanted.push({ changed: new Set(), only: { before: new Map(), after: new Map() } })
    return this.#counts.push({ onlyBefore: 0, onlyAfter: 0, changed: 0 }) - 1
  }

  countsOf(table: number): Counts {
    return this.#counts[table] ?? { onlyBefore: 0, onlyAfter: 0, changed: 0 }
  }

  wantedOf(table: number): WantedRows {
    return this.#wanted[table] ?? { changed: new Set(), only: { before: new Map(), after: new Map() } }
  }

  onChanged(table: number, key: string): void {
    const [counts, wanted] = [this.#counts[table], this.#wanted[table]]
    if (counts) counts.changed += 1
    if (wanted && wanted.changed.size < this.#listRows) wanted.changed.add(key)
  }

  onOnly(side: Side, table: number, { digest, count }: OnlyRows): void {
    const [counts, wanted] = [this.#counts[table], this.#wanted[table]?.only[side]]
    if (counts) counts[side === 'before' ? 'onlyBefore' : 'onlyAfter'] += count
    if (wanted && wanted.size < this.#listRows) wanted.set(digest, count)
  }
}
