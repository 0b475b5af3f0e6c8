import {
  clash,
  compareKeys,
  keptColumns,
  keyLinks,
  type ModelData,
  type ModelLink,
  type ModelRow,
  type ModelTable,
  present,
  same,
  setOf,
  uniques,
  updatable,
  type Value,
  withinLinks,
} from './merge-model-tables.ts'

export interface ModelOutcome {
  readonly data: Record<string, ModelRow[]>
  readonly counts: Record<string, { added: number; matched: number; updated: number; skipped: number }>
}

interface Item {
  readonly table: ModelTable
  /** Place in the order of keys. */
  readonly n: number
  readonly original: ModelRow
  row: Record<string, Value>
  state: 'open' | 'matched' | 'new' | 'accepted' | 'skipped'
  match: Record<string, Value> | undefined
  update: 'no' | 'wanted' | 'done'
}

/** What a merge must do, computed row by row in the plainest way, without a line of the implementation. */
export function modelMerge(tables: readonly ModelTable[], target: ModelData, backup: ModelData): ModelOutcome {
  return new Model(tables, target, backup).run()
}

class Model {
  readonly #tables: readonly ModelTable[]
  readonly #live = new Map<string, Array<Record<string, Value>>>()
  readonly #items = new Map<string, Item[]>()

  constructor(tables: readonly ModelTable[], target: ModelData, backup: ModelData) {
    this.#tables = tables.toSorted((a, b) => (a.name < b.name ? -1 : 1))
    for (const table of this.#tables) {
      this.#live.set(
        table.name,
        (target[table.name] ?? []).map(row => ({ ...row })),
      )
      const rows = (backup[table.name] ?? []).toSorted((a, b) => compareKeys(a, b, table.key))
      this.#items.set(
        table.name,
        rows.map((row, n) => ({
          table,
          n,
          original: row,
          row: { ...row },
          state: 'open',
          match: undefined,
          update: 'no',
        })),
      )
    }
  }

  run(): ModelOutcome {
    for (const group of this.#groups()) this.#mergeGroup(group)
    const outcome: ModelOutcome = { data: {}, counts: {} }
    for (const { name } of this.#tables) {
      const items = this.#of(name)
      outcome.data[name] = this.#rows(name)
      outcome.counts[name] = {
        added: items.filter(item => item.state === 'accepted').length,
        matched: items.filter(item => item.state === 'matched').length,
        updated: items.filter(item => item.update === 'done').length,
        skipped: items.filter(item => item.state === 'skipped').length,
      }
    }
    return outcome
  }

  #of(name: string): Item[] {
    return this.#items.get(name) ?? []
  }

  #rows(name: string): Array<Record<string, Value>> {
    return this.#live.get(name) ?? []
  }

  #table(name: string): ModelTable {
    const table = this.#tables.find(each => each.name === name)
    if (!table) throw new Error(name)
    return table
  }

  /** Tables that reach each other, before those that reach them. */
  #groups(): ModelTable[][] {
    const reached = new Map(this.#tables.map(table => [table.name, this.#reach(table.name)]))
    const groups: ModelTable[][] = []
    for (const table of this.#tables) {
      const mates = this.#tables.filter(
        other =>
          other === table || (reached.get(table.name)?.has(other.name) && reached.get(other.name)?.has(table.name)),
      )
      if (mates[0] === table) groups.push(mates)
    }
    const ordered: ModelTable[][] = []
    while (ordered.length < groups.length) {
      const ready = groups.find(
        group =>
          !ordered.includes(group) &&
          group.every(table => [...(reached.get(table.name) ?? [])].every(name => isDone(name, [...ordered, group]))),
      )
      if (!ready) throw new Error('groups refer to one another')
      ordered.push(ready)
    }
    return ordered
  }

  #reach(name: string, seen = new Set<string>()): Set<string> {
    for (const link of this.#table(name).links) {
      if (seen.has(link.parent)) continue
      seen.add(link.parent)
      this.#reach(link.parent, seen)
    }
    return seen
  }

  #parentOf(item: Item, link: ModelLink): Item | undefined {
    if (!present(item.original, link.columns)) return undefined
    return this.#of(link.parent).find(parent => same(item.original, parent.original, link.columns, link.parentColumns))
  }

  #mergeGroup(group: ModelTable[]): void {
    this.#identify(group)
    const items = group.flatMap(table => this.#of(table.name))
    for (const item of items) this.#follow(item, item.table.links)
    for (const item of items) if (item.state === 'new' && this.#unfit(item)) item.state = 'skipped'
    this.#dropOrphans(items)
    for (const item of items) if (item.state === 'matched') this.#want(item, group)
    for (const table of group) this.#update(table, group)
    for (const item of items) {
      const taken = uniques(item.table).some(set => this.#rows(item.table.name).some(row => clash(item.row, row, set)))
      if (item.state === 'new' && taken) item.state = 'skipped'
    }
    this.#dropOrphans(items)
    this.#contest(items, group)
    for (const item of items) if (item.state === 'accepted') this.#rows(item.table.name).push({ ...item.row })
    for (const item of items) if (item.update === 'done') this.#updateLater(item, group)
  }

  // ---- who is who

  #identify(group: ModelTable[]): void {
    const rounds = new Map<number, Item[]>()
    for (const table of group) {
      for (const item of this.#of(table.name)) {
        const round = this.#round(item, group, [])
        if (round === undefined) item.state = 'skipped'
        else rounds.set(round, [...(rounds.get(round) ?? []), item])
      }
    }
    for (const round of [...rounds.keys()].toSorted((a, b) => a - b)) {
      for (const table of group)
        this.#identifyRound(
          table,
          (rounds.get(round) ?? []).filter(i => i.table === table),
        )
    }
  }

  /** A row waits for the parents that its key names; those of tables with an earlier name are done in the same round. */
  #round(item: Item, group: ModelTable[], above: readonly Item[]): number | undefined {
    if (above.includes(item)) return undefined
    let round = 0
    for (const link of keyLinks(item.table)) {
      const parent = this.#parentOf(item, link)
      if (!parent || !group.includes(parent.table)) continue
      const its = this.#round(parent, group, [...above, item])
      if (its === undefined) return undefined
      round = Math.max(round, its + (parent.table.name < item.table.name ? 0 : 1))
    }
    return round
  }

  #identifyRound(table: ModelTable, items: Item[]): void {
    for (const item of items) {
      if (keyLinks(table).some(link => this.#parentOf(item, link)?.state === 'skipped')) item.state = 'skipped'
      else this.#follow(item, keyLinks(table))
    }
    const found = items.filter(item => item.state === 'open')
    for (const item of found) {
      item.match = this.#rows(table.name).find(row => same(item.row, row, table.key))
      item.state = item.match ? 'matched' : 'new'
      if (item.match)
        for (const column of keptColumns(table, this.#tables)) item.row[column] = item.match[column] ?? null
    }
    const [id = '', ...more] = table.primary
    if (more.length > 0 || table.key.includes(id) || table.links.some(link => link.columns.includes(id))) return
    const numbers = [...this.#rows(table.name), ...this.#of(table.name).map(item => item.row)].map(row =>
      Number(row[id]),
    )
    let next = Math.max(0, ...numbers)
    for (const item of found) {
      if (item.state !== 'new' || !this.#rows(table.name).some(row => row[id] === item.row[id])) continue
      item.row[id] = ++next
    }
  }

  #follow(item: Item, links: readonly ModelLink[]): void {
    for (const link of links) {
      const parent = this.#parentOf(item, link)
      if (!parent || parent.state === 'skipped' || parent.state === 'open') continue
      for (const [i, column] of link.columns.entries())
        item.row[column] = parent.row[link.parentColumns[i] ?? ''] ?? null
    }
  }

  // ---- who may come

  #nowhere(item: Item, link: ModelLink): boolean {
    if (!present(item.original, link.columns) || this.#parentOf(item, link)) return false
    if (setOf(this.#table(link.parent).key) !== setOf(link.parentColumns)) return true
    return !this.#rows(link.parent).some(row => same(item.row, row, link.columns, link.parentColumns))
  }

  #disagree(item: Item, link: ModelLink): boolean {
    const parent = this.#parentOf(item, link)
    return (
      parent !== undefined &&
      parent.state !== 'skipped' &&
      !same(item.row, parent.row, link.columns, link.parentColumns)
    )
  }

  #unfit(item: Item): boolean {
    const lost = item.table.links.some(link => this.#nowhere(item, link) || this.#disagree(item, link))
    return lost || item.table.demanded.some(column => item.row[column] === null)
  }

  #dropOrphans(items: Item[]): void {
    for (let dropped = true; dropped; ) {
      dropped = false
      for (const item of items.filter(each => each.state === 'new')) {
        if (!item.table.links.some(link => this.#parentOf(item, link)?.state === 'skipped')) continue
        item.state = 'skipped'
        dropped = true
      }
    }
  }

  // ---- who takes the backup's values

  #want(item: Item, group: ModelTable[]): void {
    const { table, match } = item
    if (!match || table.onConflict === 'keep') return
    const { now, later } = updatable(table, this.#tables, group)
    const moved = later.filter(column => {
      const parents = withinLinks(table, group).filter(link => link.columns.includes(column))
      return parents.every(link => this.#parentOf(item, link)?.state !== 'skipped')
    })
    if (same(item.row, match, [...now, ...moved])) return
    if (table.onConflict === 'newer') {
      const [own, its] = [item.row[table.newerBy], match[table.newerBy]]
      if (own == null || (its != null && own <= its)) return
    }
    const lost = table.links.some(
      link =>
        this.#nowhere(item, link) ||
        (!withinLinks(table, group).includes(link) && this.#parentOf(item, link)?.state === 'skipped'),
    )
    if (lost || table.demanded.some(column => now.includes(column) && item.row[column] === null)) return
    item.update = 'wanted'
    const stays = table.columns.filter(
      column => !keptColumns(table, this.#tables).includes(column) && ![...now, ...later].includes(column),
    )
    for (const column of stays) item.row[column] = match[column] ?? null
  }

  #update(table: ModelTable, group: ModelTable[]): void {
    const { now } = updatable(table, this.#tables, group)
    const sets = uniques(table).filter(set => set.some(column => now.includes(column)))
    for (let moved = true; moved; ) {
      const waiting = this.#of(table.name).filter(item => item.update === 'wanted')
      const free = waiting.filter(item =>
        sets.every(
          set =>
            !this.#rows(table.name).some(row => row !== item.match && clash(item.row, row, set)) &&
            !waiting.some(other => other.n < item.n && clash(item.row, other.row, set)),
        ),
      )
      for (const item of free) {
        for (const column of now) if (item.match) item.match[column] = item.row[column] ?? null
        item.update = 'done'
      }
      moved = free.length > 0
    }
  }

  #updateLater(item: Item, group: ModelTable[]): void {
    const { later } = updatable(item.table, this.#tables, group)
    for (const link of withinLinks(item.table, group)) {
      const state = this.#parentOf(item, link)?.state
      if (state === 'skipped') continue
      for (const column of link.columns) {
        if (later.includes(column) && item.match) item.match[column] = item.row[column] ?? null
      }
    }
  }

  // ---- who gets a value that several want

  #contest(items: Item[], group: ModelTable[]): void {
    const rivals = (item: Item): Item[] =>
      items.filter(
        other =>
          other !== item &&
          other.table === item.table &&
          uniques(item.table).some(set => clash(item.row, other.row, set)),
      )
    const parents = (item: Item): Item[] =>
      withinLinks(item.table, group).flatMap(link => this.#parentOf(item, link) ?? [])
    const first = (item: Item): boolean => !rivals(item).some(other => other.state === 'new' && other.n < item.n)
    for (;;) {
      let decided = false
      for (const item of items.filter(each => each.state === 'new')) {
        if (rivals(item).some(other => other.state === 'accepted') || parents(item).some(p => p.state === 'skipped')) {
          item.state = 'skipped'
        } else if (first(item) && parents(item).every(p => p.state !== 'new')) item.state = 'accepted'
        decided ||= item.state !== 'new'
      }
      if (decided) continue
      const open = items.filter(item => item.state === 'new')
      let circle = open.filter(first)
      for (let size = -1; size !== circle.length; ) {
        size = circle.length
        const [within] = [circle]
        circle = circle.filter(item => parents(item).every(p => p.state !== 'new' || within.includes(p)))
      }
      if (circle.length === 0) {
        for (const item of open) item.state = 'skipped'
        return
      }
      for (const item of circle) item.state = 'accepted'
    }
  }
}

function isDone(name: string, groups: ReadonlyArray<readonly ModelTable[]>): boolean {
  return groups.flat().some(table => table.name === name)
}
