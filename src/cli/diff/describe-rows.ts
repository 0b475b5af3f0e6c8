import { printableName } from '../../base/bytes.ts'
import { formatTime } from '../../base/times.ts'
import { type ComparedTable, isSame, type ListedRow, type ShownValue } from '../../model/row-comparison.ts'
import type { RowDiff } from '../../operations/diff/compare-rows.ts'
import type { ChosenSnapshot } from '../../operations/snapshots/choose-snapshot.ts'
import type { Printed } from '../../outputs/outputs.ts'
import { pointJson } from '../../outputs/point.ts'
import { counted, formatTable } from '../printers/text.ts'
import type { Paint } from '../terminal.ts'

export function rowDiffToJson({ source, before, after, tables, masked }: RowDiff): Printed<'diff'> {
  const point = (chosen: ChosenSnapshot | 'now') => (chosen === 'now' ? null : pointJson(chosen))
  return { source, before: point(before), after: point(after), same: tables.every(isSame), masked, tables }
}

/** What the two sides are called. */
type Words = readonly [before: string, after: string]
const THEN_NOW: Words = ['then', 'now']
const NOW_THEN: Words = ['now', 'then']
const BEFORE_AFTER: Words = ['before', 'after']

/** Tables that differ, then the rows that were asked for. `limit`: how many of each kind are listed at most. */
export function* describeRowDiff(diff: RowDiff, limit: number | undefined, paint: Paint): Generator<string> {
  const { before, after, tables, masked } = diff
  const words = after === 'now' ? THEN_NOW : before === 'now' ? NOW_THEN : BEFORE_AFTER
  yield `${diff.source}: ${pointText(before)} and ${pointText(after)}\n`
  const differing = tables.filter(table => !isSame(table))
  if (differing.length > 0) yield formatTable(columnsOf(words), differing, paint)
  const same = tables.length - differing.length
  if (differing.length === 0) yield `No difference in ${counted(tables.length, 'table')}.\n`
  else if (same > 0) yield `${counted(same, 'table')} without a difference.\n`
  for (const table of differing) yield* describeTable(table, words)
  if (limit === undefined) return
  for (const table of tables) {
    for (const row of table.listed ?? []) yield* describeRow(table, row, words, paint)
    yield* describeRest(table, words)
  }
  if (masked) yield 'Values are hidden as in test copies of the source: only columns that its mask keeps are shown.\n'
}

function pointText(point: ChosenSnapshot | 'now'): string {
  if (point === 'now') return 'what is live'
  return `${formatTime(point.snapshot.time)} (snapshot ${point.snapshot.id.slice(0, 8)} in ${point.name})`
}

function columnsOf([old, young]: Words) {
  const cell = (table: ComparedTable, count: number): string => (table.problem === undefined ? String(count) : '?')
  const rows = (table: ComparedTable, side: 'before' | 'after'): string => {
    if (table.presence !== 'both' && table.presence !== side) return 'no such table'
    return cell(table, side === 'before' ? table.rowsBefore : table.rowsAfter)
  }
  const right = true
  return [
    { title: 'table', value: (table: ComparedTable) => printableName(table.table) },
    { title: `rows ${old}`, value: (table: ComparedTable) => rows(table, 'before'), right },
    { title: `rows ${young}`, value: (table: ComparedTable) => rows(table, 'after'), right },
    { title: `only ${old}`, value: (table: ComparedTable) => cell(table, table.onlyBefore), right },
    { title: `only ${young}`, value: (table: ComparedTable) => cell(table, table.onlyAfter), right },
    {
      title: 'changed',
      value: (table: ComparedTable) => (table.by === 'row' ? '-' : cell(table, table.changed)),
      right,
    },
  ]
}

function* describeTable(table: ComparedTable, [old, young]: Words): Generator<string> {
  const name = printableName(table.table)
  if (table.problem !== undefined) yield `${name} was not compared: ${printableName(table.problem)}\n`
  const columns = (names: readonly string[]): string => names.map(printableName).join(', ')
  if (table.columnsOnlyBefore.length > 0) yield `${name}: only ${old} it has ${columns(table.columnsOnlyBefore)}\n`
  if (table.columnsOnlyAfter.length > 0) yield `${name}: only ${young} it has ${columns(table.columnsOnlyAfter)}\n`
}

const STYLES = { 'only-before': 'red', 'only-after': 'green', changed: 'yellow' } as const

function* describeRow(table: ComparedTable, row: ListedRow, [then, now]: Words, paint: Paint): Generator<string> {
  const name = { 'only-before': `only ${then}`, 'only-after': `only ${now}`, changed: 'changed' }[row.change]
  const key = row.key.map(({ column, value }) => `${printableName(column)} ${shown(value)}`).join(', ')
  yield `\n${paint(STYLES[row.change], name)} ${printableName(table.table)} ${key}`.trimEnd()
  yield '\n'
  const cells = row.columns.map(({ column, before, after }) => {
    const from = row.change === 'changed' ? firstDifference(before, after) : 0
    const text = (value: ShownValue | undefined): string => (value === undefined ? '' : shown(value, from))
    return { column: printableName(column), before: text(before), after: text(after) }
  })
  const column = { title: '  column', value: (cell: (typeof cells)[number]) => `  ${cell.column}` }
  const old = { title: then, value: (cell: (typeof cells)[number]) => cell.before }
  const young = { title: now, value: (cell: (typeof cells)[number]) => cell.after }
  const sides = { 'only-before': [old], 'only-after': [young], changed: [old, young] }[row.change]
  if (cells.length > 0) yield formatTable([column, ...sides], cells, paint)
}

/** What is listed is bounded. */
function* describeRest(table: ComparedTable, [old, young]: Words): Generator<string> {
  if (table.listed === undefined || table.presence !== 'both') return
  const listed = (change: ListedRow['change']): number => table.listed?.filter(row => row.change === change).length ?? 0
  const left = [
    ['changed', table.changed - listed('changed')],
    [`only ${old}`, table.onlyBefore - listed('only-before')],
    [`only ${young}`, table.onlyAfter - listed('only-after')],
  ] as const
  const more = left.filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what}`)
  if (more.length > 0) yield `\nand of ${printableName(table.table)} ${more.join(', ')}; --limit lists more\n`
}

const SHOWN_CHARS = 60
/** Shown of what is the same, before the first difference. */
const BEFORE_CHARS = 12

function firstDifference(before: ShownValue | undefined, after: ShownValue | undefined): number {
  if (typeof before !== 'string' || typeof after !== 'string') return 0
  const end = Math.min(before.length, after.length)
  let at = 0
  while (at < end && before[at] === after[at]) at += 1
  return at < SHOWN_CHARS - BEFORE_CHARS ? 0 : at - BEFORE_CHARS
}

/** NULL and what is called so must not look alike, nor nothing and an empty text. */
function shown(value: ShownValue, from = 0): string {
  if (value === null) return 'NULL'
  if (value === '' || value === 'NULL') return `'${value}'`
  const start = from > 0 ? '…' : ''
  const text = value.slice(from)
  return printableName(start + (text.length <= SHOWN_CHARS ? text : `${text.slice(0, SHOWN_CHARS - 1)}…`))
}
