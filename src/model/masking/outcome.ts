import type { ReportTable } from '../report.ts'
import { describeRule, type MaskRule } from './rules.ts'

/** What was done to one column of a test copy. */
export interface MaskedColumn {
  readonly table: string
  readonly column: string
  readonly rule: MaskRule
  /** It was masked as the column that it refers to. */
  readonly follows: string | undefined
  /** How many values were replaced; NULL is not a value. */
  readonly values: number
}

/** What was masked, for a report: nothing where nothing was. */
export function maskReportTables(masked: readonly MaskedColumn[]): ReportTable[] {
  const done = masked.filter(each => each.rule.kind !== 'keep')
  if (done.length === 0) return []
  const rows = done.map(({ table, column, rule, follows, values }) => {
    const how = follows === undefined ? describeRule(rule) : `${describeRule(rule)}, as ${follows}`
    return [table, column, how, String(values)]
  })
  return [
    {
      title: 'masked',
      columns: [
        { name: 'table', align: 'left' },
        { name: 'column', align: 'left' },
        { name: 'rule', align: 'left' },
        { name: 'values', align: 'right' },
      ],
      rows: rows.toSorted((a, b) => (a[0] ?? '').localeCompare(b[0] ?? '')),
    },
  ]
}
