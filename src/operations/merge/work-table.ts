import type { Link, PlannedTable } from '../../model/merge-plan.ts'
import type { Dialect, MergingPlace } from '../../sources/source.ts'

/** What became of a row of the backup so far. */
export const STATE = { open: 0, matched: 1, new: 2, skipped: 3, accepted: 4, ready: 5, fresh: 6 } as const

/** Of a matched row: does it take the backup's values? */
export const UPDATE = { no: 0, wanted: 1, refused: 2, going: 3, done: 4 } as const

/**
 * The backup's rows of one table, in a table of ours on the target's connection. Columns: `n` numbers the rows in the order of
 * their keys; `c0`... the values, rewritten as the merge goes on until they are what the target gets; `o0`... what the backup
 * has in columns that refer or are referred to; `p0`... the row of the parent's work table that a link leads to; `s` the
 * state, `w` why it was skipped, `x` whether its id is another one now, `u` whether it updates.
 */
export class WorkTable {
  readonly plan: PlannedTable
  /** Its name in statements. */
  readonly name: string
  readonly #dialect: Dialect
  readonly #bare: string
  readonly #linked: readonly string[]
  #indexes = 0

  constructor(plan: PlannedTable, index: number, dialect: Dialect) {
    this.plan = plan
    this.#bare = `b${index}`
    this.name = dialect.work(this.#bare)
    this.#dialect = dialect
    const linked = [...plan.referenced.flat(), ...plan.links.flatMap(link => link.columns)]
    this.#linked = [...new Set(linked)]
  }

  /** The column that holds what the target gets for this one. */
  value(column: string): string {
    return `c${this.plan.columns.findIndex(each => each.name === column)}`
  }

  /** The column that holds what the backup has. */
  original(column: string): string {
    return `o${this.#linked.indexOf(column)}`
  }

  pointer(link: Link): string {
    return `p${this.plan.links.indexOf(link)}`
  }

  quoted(column: string): string {
    return this.#dialect.quote(column)
  }

  /** Creates it and copies the rows. */
  async fill(place: MergingPlace): Promise<void> {
    const { plan } = this
    const declare = (name: string, column: string): string =>
      `${name} ${plan.columns.find(each => each.name === column)?.declaration ?? ''}`
    const columns = [
      `n ${this.#dialect.rowNumber}`,
      ...['s', 'w', 'x', 'u'].map(name => `${name} smallint NOT NULL DEFAULT 0`),
      ...plan.columns.map(column => declare(this.value(column.name), column.name)),
      ...this.#linked.map(column => declare(this.original(column), column)),
      ...plan.links.map(link => `${this.pointer(link)} bigint`),
    ]
    await place.change(`CREATE TABLE ${this.name} (${columns.join(', ')})`)
    await place.stage({
      from: plan.backup,
      into: this.name,
      columns: [
        ...plan.columns.map(column => ({ from: column.name, into: this.value(column.name) })),
        ...this.#linked.map(column => ({ from: column, into: this.original(column) })),
      ],
      orderBy: plan.key,
    })
    for (const set of plan.referenced)
      await this.#index(
        place,
        set.map(column => this.original(column)),
      )
    for (const set of [plan.key, ...plan.others])
      await this.#index(
        place,
        set.map(column => this.value(column)),
      )
    const analyze = this.#dialect.analyze(this.#bare)
    if (analyze !== undefined) await place.change(analyze)
  }

  async #index(place: MergingPlace, columns: readonly string[]): Promise<void> {
    await place.change(this.#dialect.index(this.#bare, `${this.#bare}_i${++this.#indexes}`, columns))
  }
}

/** `a.x = b.x AND ...` for pairs of columns. */
export function equal(pairs: ReadonlyArray<readonly [string, string]>): string {
  return pairs.map(([a, b]) => `${a} = ${b}`).join(' AND ')
}

/** At least one of many. Nested in halves: a chain of a thousand, one for each column, is deeper than SQLite goes. */
export function anyOf(conditions: readonly string[]): string {
  if (conditions.length < 3) return conditions.map(condition => `(${condition})`).join(' OR ')
  const half = conditions.length >> 1
  return `(${anyOf(conditions.slice(0, half))}) OR (${anyOf(conditions.slice(half))})`
}

export function allPresent(columns: readonly string[]): string {
  return columns.map(column => `${column} IS NOT NULL`).join(' AND ')
}
