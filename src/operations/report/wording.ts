import { formatSize } from '../../base/sizes.ts'
import type { CheckOutcome, Report, ReportOutcome, ReportStep } from '../../model/report.ts'

/** What every form of a report says in the same words. */

const VERDICTS: Readonly<Record<ReportOutcome, string>> = {
  planned: 'nothing was changed; this is what would be done',
  done: 'all went well',
  incomplete: 'done, but not all of it',
  failed: 'it failed',
  'rolled-back': 'it failed and was taken back; all is as it was before',
}

/** One word or two, for a badge. */
export const OUTCOME_WORDS: Readonly<Record<ReportOutcome, string>> = {
  planned: 'Planned',
  done: 'Done',
  incomplete: 'Incomplete',
  failed: 'Failed',
  'rolled-back': 'Taken back',
}

export function verdictOf(report: Report): string {
  return report.verdict ?? capitalized(VERDICTS[report.outcome])
}

export const capitalized = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`

/** `1,204,993`, by thousands: long figures are compared by eye. */
export const formatCount = (count: number): string => count.toLocaleString('en-US')

/** `1 row`, `2 rows`. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${formatCount(count)} ${count === 1 ? one : many}`

/** `50 rows, 1.2 MiB`; empty where the step counts nothing. */
export function amountOf(step: ReportStep): string {
  const rows = step.rows === undefined ? [] : [counted(step.rows, 'row')]
  const bytes = step.bytes === undefined ? [] : [formatSize(step.bytes)]
  return [...rows, ...bytes].join(', ')
}

const ROWS = 'rows of '

/** Names of checks; those that count rows as one, for a database may have hundreds of tables. */
export function shortNames(checks: readonly CheckOutcome[]): string[] {
  const others = checks.filter(check => !check.name.startsWith(ROWS)).map(check => check.name)
  const tables = checks.length - others.length
  return tables === 0 ? others : [...others, `${ROWS}${counted(tables, 'table')}`]
}
