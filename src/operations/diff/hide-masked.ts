import type { Mask } from '../../model/masking/rules.ts'
import { type ComparedTable, type ListedRow, namesTable, type ShownValue } from '../../model/row-comparison.ts'

/** What stands for a value. */
export const HIDDEN = '(masked)'

/**
 * Hides each value but those of columns that the mask keeps. Masking them instead would take the whole database; and a mask
 * says of a column that it names no rule for only that it was not thought of, or follows another one.
 */
export function hideMasked(tables: readonly ComparedTable[], mask: Mask): ComparedTable[] {
  return tables.map(table => {
    if (table.listed === undefined) return table
    const kept = new Set(keptColumns(table.table, mask))
    return { ...table, listed: table.listed.map(row => hidden(row, column => !kept.has(column.toLowerCase()))) }
  })
}

function keptColumns(table: string, mask: Mask): string[] {
  const rules = mask.tables.filter(each => namesTable(each.table.toLowerCase(), table.toLowerCase()))
  return rules.flatMap(({ columns }) =>
    columns.filter(({ rule }) => rule.kind === 'keep').map(({ column }) => column.toLowerCase()),
  )
}

function hidden(row: ListedRow, isHidden: (column: string) => boolean): ListedRow {
  const value = (column: string, shown: ShownValue): ShownValue => (isHidden(column) ? HIDDEN : shown)
  return {
    ...row,
    key: row.key.map(({ column, value: shown }) => ({ column, value: value(column, shown) })),
    columns: row.columns.map(({ column, before, after }) => ({
      column,
      ...(before === undefined ? {} : { before: value(column, before) }),
      ...(after === undefined ? {} : { after: value(column, after) }),
    })),
  }
}
