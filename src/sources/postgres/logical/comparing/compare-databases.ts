import { AppError, throwIfAborted } from '../../../../base/errors.ts'
import type { ComparedTable } from '../../../../model/row-comparison.ts'
import { type FoundRow, listedRows, RowPicker } from '../../../listed-rows.ts'
import { RowMatcher, type Side } from '../../../row-matcher.ts'
import { RowTally } from '../../../row-tally.ts'
import { CopyLines, type CopyRow } from './copy-lines.ts'
import { RowShape } from './row-shape.ts'
import type { SideRows } from './side-rows.ts'
import { type PairedTable, pairTables } from './table-pairs.ts'

export interface DatabasesToCompare {
  readonly sides: Readonly<Record<Side, SideRows>>
  readonly selects: (table: string) => boolean
  /** In front of the names of tables: of several databases, the database. */
  readonly prefix: string
  readonly listRows: number
  readonly scratchDir: string
  readonly signal: AbortSignal
  readonly onTable: (table: string) => void
}

const SIDES = ['before', 'after'] as const

/** Reads both sides side by side, once; and once more the tables whose rows are to be listed. */
export async function compareDatabases(request: DatabasesToCompare): Promise<ComparedTable[]> {
  const pairs = pairTables(request.sides).filter(({ name }) => request.selects(request.prefix + name))
  const tally = new RowTally(request.listRows)
  const tables = pairs.map(pair => new ReadTable(pair, tally.addTable()))
  const matcher = new RowMatcher(request.scratchDir, tally)
  try {
    await readBoth(request, tables, (table, side, row) => {
      table.rows[side] += 1
      if (table.pair.isShared) matcher.add(side, table.number, table.shapes[side].digest(row))
    })
    matcher.finish()
  } finally {
    matcher.close()
  }
  const found = request.listRows === 0 ? undefined : await findRows(request, tables, tally)
  return tables.map(table => ({
    ...comparedTable(table, tally, request.prefix),
    ...(found === undefined ? {} : { listed: found.get(table) ?? [] }),
  }))
}

class ReadTable {
  readonly pair: PairedTable
  readonly number: number
  readonly rows: Record<Side, number> = { before: 0, after: 0 }
  readonly shapes: Readonly<Record<Side, RowShape>>
  problem: string | undefined

  constructor(pair: PairedTable, number: number) {
    this.pair = pair
    this.number = number
    this.problem = pair.problem
    const shape = (side: Side): RowShape => new RowShape(pair[side]?.columns ?? [], pair.columns, pair.key)
    this.shapes = { before: shape('before'), after: shape('after') }
  }
}

function comparedTable(table: ReadTable, tally: RowTally, prefix: string): ComparedTable {
  const { pair, rows } = table
  const { name, presence, key, columnsOnlyBefore, columnsOnlyAfter } = pair
  const problem = table.problem ?? miscounted(table)
  const compared = {
    table: prefix + name,
    presence,
    by: key.length > 0 ? 'key' : 'row',
    columnsOnlyBefore,
    columnsOnlyAfter,
  } as const
  if (problem !== undefined) {
    return { ...compared, rowsBefore: 0, rowsAfter: 0, onlyBefore: 0, onlyAfter: 0, changed: 0, problem }
  }
  const counts = pair.isShared
    ? tally.countsOf(table.number)
    : { onlyBefore: rows.before, onlyAfter: rows.after, changed: 0 }
  return { ...compared, rowsBefore: rows.before, rowsAfter: rows.after, ...counts }
}

/** What is read of an archive must be all that was captured. */
function miscounted({ pair, rows }: ReadTable): string | undefined {
  const side = SIDES.find(each => pair[each]?.rows !== undefined && pair[each].rows !== rows[each])
  if (side === undefined) return undefined
  return `its archive gives ${rows[side]} rows, and ${pair[side]?.rows} were captured`
}

/** Reads on where the other side is further: rows that are the same are then soon side by side. */
async function readBoth(
  { sides, signal, onTable, prefix }: DatabasesToCompare,
  tables: readonly ReadTable[],
  onRow: (table: ReadTable, side: Side, row: CopyRow) => void,
): Promise<void> {
  const byName = new Map(tables.map(table => [table.pair.name, table]))
  const readers = SIDES.map(side => new SideReader(side, sides[side], tables, onRow))
  try {
    for (;;) {
      throwIfAborted(signal)
      const [first, second] = readers
      if (!first || !second || (first.isDone && second.isDone)) return
      const next = second.isDone || (!first.isDone && first.isBehind(second)) ? first : second
      const begun = await next.step()
      if (begun !== undefined) onTable(prefix + (byName.get(begun)?.pair.name ?? begun))
    }
  } finally {
    for (const reader of readers) await reader.close()
  }
}

class SideReader {
  isDone = false
  readonly #pieces: AsyncIterator<{ readonly table: string; readonly bytes: Buffer }>
  readonly #tables: ReadonlyMap<string, ReadTable>
  readonly #order: ReadonlyMap<string, number>
  readonly #onRow: (table: ReadTable, row: CopyRow) => void
  #table: ReadTable | undefined
  #lines: CopyLines | undefined
  /** Of the table that is being read. */
  #bytes = 0

  constructor(
    side: Side,
    rows: SideRows,
    tables: readonly ReadTable[],
    onRow: (table: ReadTable, side: Side, row: CopyRow) => void,
  ) {
    const wanted = tables.filter(({ pair, problem }) => pair[side] !== undefined && problem === undefined)
    const names = wanted.map(({ pair }) => pair.name)
    this.#tables = new Map(wanted.map(table => [table.pair.name, table]))
    this.#order = new Map(tables.map(({ pair }, at) => [pair.name, at]))
    this.#onRow = (table, row) => onRow(table, side, row)
    const fail = (name: string, problem: string): void => {
      const table = this.#tables.get(name)
      if (table) table.problem ??= problem
    }
    this.#pieces = rows.read(names, fail)[Symbol.asyncIterator]()
  }

  isBehind(other: SideReader): boolean {
    const [own, its] = [this.#place, other.#place]
    return own === its ? this.#bytes <= other.#bytes : own < its
  }

  get #place(): number {
    return this.#order.get(this.#table?.pair.name ?? '') ?? -1
  }

  /** The name of a table that begins. */
  async step(): Promise<string | undefined> {
    const next = await this.#pieces.next()
    if (next.done === true) {
      this.#end()
      this.isDone = true
      return undefined
    }
    const { table: name, bytes } = next.value
    const begins = this.#table?.pair.name !== name
    if (begins) this.#begin(name)
    this.#bytes += bytes.length
    this.#lines?.add(bytes)
    return begins ? name : undefined
  }

  #begin(name: string): void {
    this.#end()
    const table = this.#tables.get(name)
    this.#table = table
    this.#bytes = 0
    let isOver = false
    this.#lines = new CopyLines(row => {
      // An archive goes on after the rows: a line of its own says that they are over.
      isOver ||= 'line' in row && row.line.length === 2 && row.line[0] === 92 && row.line[1] === 46
      if (table && !isOver) this.#onRow(table, row)
    })
  }

  #end(): void {
    if (this.#lines === undefined || this.#lines.isWhole) return
    const name = this.#table?.pair.name ?? ''
    throw new AppError('damaged', `the rows of table ${name} end within a row`, {
      hint: 'Run "lifeboat check --read-data", and compare with an earlier snapshot.',
    })
  }

  async close(): Promise<void> {
    await this.#pieces.return?.()
  }
}

async function findRows(
  request: DatabasesToCompare,
  all: readonly ReadTable[],
  tally: RowTally,
): Promise<ReadonlyMap<ReadTable, NonNullable<ComparedTable['listed']>>> {
  const limit = request.listRows
  const tables = all.filter(({ pair, problem }) => pair.isShared && problem === undefined)
  const search = new Map(tables.map(table => [table, new RowSearch(table, tally)]))
  const left = tables.filter(table => search.get(table)?.isDone === false)
  await readBoth({ ...request, onTable: () => {} }, left, (table, side, row) => search.get(table)?.look(side, row))
  return new Map(tables.map(table => [table, search.get(table)?.listed(limit) ?? []]))
}

class RowSearch {
  readonly #table: ReadTable
  readonly #pickers: Readonly<Record<Side, RowPicker>>
  readonly #found: Record<Side, FoundRow[]> = { before: [], after: [] }

  constructor(table: ReadTable, tally: RowTally) {
    const wanted = tally.wantedOf(table.number)
    this.#table = table
    this.#pickers = { before: new RowPicker(wanted, 'before'), after: new RowPicker(wanted, 'after') }
  }

  get isDone(): boolean {
    return this.#pickers.before.isDone && this.#pickers.after.isDone
  }

  look(side: Side, row: CopyRow): void {
    if (this.#pickers[side].isDone) return
    const shape = this.#table.shapes[side]
    const picked = this.#pickers[side].pick(shape.digest(row))
    if (picked) this.#found[side].push({ ...picked, values: shape.values(row) })
  }

  listed(limit: number): NonNullable<ComparedTable['listed']> {
    return listedRows(this.#found.before, this.#found.after, this.#table.pair.key, limit)
  }
}
