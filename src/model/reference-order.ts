/** A table, and those that it refers to. */
export interface Referring {
  readonly name: string
  readonly parents: readonly string[]
}

/**
 * Groups of tables, each after all that it refers to; those that refer to one another in a circle are one group (Tarjan's
 * strongly connected components). The order is the same whatever order the tables come in.
 */
export function groupByReference(tables: readonly Referring[]): string[][] {
  return new Components(tables.toSorted((a, b) => (a.name < b.name ? -1 : 1))).groups
}

class Components {
  readonly groups: string[][] = []
  readonly #tables: ReadonlyMap<string, Referring>
  readonly #index = new Map<string, number>()
  readonly #low = new Map<string, number>()
  readonly #stack: string[] = []
  readonly #onStack = new Set<string>()

  constructor(tables: readonly Referring[]) {
    this.#tables = new Map(tables.map(table => [table.name, table]))
    for (const table of tables) if (!this.#index.has(table.name)) this.#visit(table)
  }

  #visit(table: Referring): void {
    const index = this.#index.size
    this.#index.set(table.name, index)
    this.#low.set(table.name, index)
    this.#stack.push(table.name)
    this.#onStack.add(table.name)
    for (const parent of table.parents.toSorted()) this.#follow(table.name, parent)
    if (this.#low.get(table.name) !== index) return
    const group = this.#stack.splice(this.#stack.lastIndexOf(table.name))
    for (const name of group) this.#onStack.delete(name)
    this.groups.push(group.toSorted())
  }

  #follow(from: string, name: string): void {
    const parent = this.#tables.get(name)
    if (!parent) return
    if (!this.#index.has(name)) {
      this.#visit(parent)
      this.#lower(from, this.#low.get(name))
    } else if (this.#onStack.has(name)) this.#lower(from, this.#index.get(name))
  }

  #lower(name: string, to: number | undefined): void {
    this.#low.set(name, Math.min(this.#low.get(name) ?? Number.POSITIVE_INFINITY, to ?? Number.POSITIVE_INFINITY))
  }
}
