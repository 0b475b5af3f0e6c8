import type { ListedColumn, ListedRow, ShownValue } from '../model/row-comparison.ts'
import type { DigestedRow, Side } from './row-matcher.ts'
import type { WantedRows } from './row-tally.ts'

/** A value of a row that is listed. */
export interface FoundValue {
  readonly shown: ShownValue
  /** Tells it from any other value of its column. */
  readonly identity: string
  /** What to say where two that differ are shown alike: the type, or that they differ further on. */
  readonly note: string
}

export interface FoundRow {
  readonly isChanged: boolean
  /** Digest of its key. */
  readonly key: string | undefined
  readonly values: ReadonlyMap<string, FoundValue>
}

/** Picks the rows that are wanted out of all rows of one side. */
export class RowPicker {
  readonly #changed: Set<string>
  readonly #only: Map<string, number>

  constructor(wanted: WantedRows, side: Side) {
    this.#changed = new Set(wanted.changed)
    this.#only = new Map(wanted.only[side])
  }

  /** Nothing is left to pick. */
  get isDone(): boolean {
    return this.#changed.size + this.#only.size === 0
  }

  pick({ key, row }: DigestedRow): Pick<FoundRow, 'isChanged' | 'key'> | undefined {
    if (key !== undefined && this.#changed.delete(key)) return { isChanged: true, key }
    const name = key !== undefined && this.#only.has(key) ? key : row
    const count = this.#only.get(name) ?? 0
    if (count === 0) return undefined
    if (count === 1) this.#only.delete(name)
    else this.#only.set(name, count - 1)
    return { isChanged: false, key }
  }
}

/** Changed rows side by side, then those of one side only. Of equal whole rows no more than `limit`. */
export function listedRows(
  before: readonly FoundRow[],
  after: readonly FoundRow[],
  key: readonly string[],
  limit: number,
): ListedRow[] {
  const others = new Map(after.flatMap(row => (row.isChanged ? [[row.key, row] as const] : [])))
  const changed = before.flatMap((row): ListedRow[] => {
    const other = row.isChanged ? others.get(row.key) : undefined
    return other === undefined ? [] : [sideBySide(row, other, key)]
  })
  const alone = (rows: readonly FoundRow[], side: Side): ListedRow[] =>
    rows
      .filter(row => !row.isChanged)
      .slice(0, limit)
      .map(row => aloneOn(side, row, key))
  return [...changed, ...alone(before, 'before'), ...alone(after, 'after')]
}

/** The key as it is now: a case-insensitive one may be written otherwise, and is among the columns then. */
function sideBySide({ values }: FoundRow, other: FoundRow, key: readonly string[]): ListedRow {
  const columns = [...values].flatMap(([column, before]): ListedColumn[] => {
    const after = other.values.get(column)
    if (after === undefined || after.identity === before.identity) return []
    if (after.shown !== before.shown) return [{ column, before: before.shown, after: after.shown }]
    const noted = ({ shown, note }: FoundValue): string => `${shown} (${note})`
    return [{ column, before: noted(before), after: noted(after) }]
  })
  return { change: 'changed', key: keyOf(other, key), columns }
}

function aloneOn(side: Side, row: FoundRow, key: readonly string[]): ListedRow {
  const columns = [...row.values].flatMap(([column, { shown }]) =>
    row.key !== undefined && key.includes(column) ? [] : [{ column, [side]: shown }],
  )
  return { change: `only-${side}`, key: keyOf(row, key), columns }
}

function keyOf({ key, values }: FoundRow, columns: readonly string[]): ListedRow['key'] {
  if (key === undefined) return []
  return columns.map(column => ({ column, value: values.get(column)?.shown ?? null }))
}
