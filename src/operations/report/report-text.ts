import { printableName } from '../../base/bytes.ts'
import { formatDuration } from '../../base/durations.ts'
import { formatTimeWithZone } from '../../base/times.ts'
import type { Finding, Severity } from '../../model/finding.ts'
import type { CheckOutcome, Report, ReportOutcome, ReportTable, StepOutcome } from '../../model/report.ts'
import { amountOf, capitalized, counted, OUTCOME_WORDS, shortNames, verdictOf } from './wording.ts'

export type ReportStyle = 'bold' | 'gray' | 'red' | 'green' | 'yellow' | 'cyan'
/** Colours a text, or not. */
export type ReportPaint = (style: ReportStyle, text: string) => string

/** A report for a terminal, or with `plain` for a text file. Whatever was read somewhere is made printable. */
export function reportToText(report: Report, paint: ReportPaint): string {
  const parts = [
    head(report, paint),
    facts(report, paint),
    steps(report, paint),
    checks(report.checks, paint),
    ...report.tables.map(table => tableText(table, paint)),
    findings(report.findings, paint),
    next(report, paint),
  ]
  return parts.filter(part => part !== '').join('\n')
}

export const plain: ReportPaint = (_style, text) => text

const OUTCOME_STYLES: Readonly<Record<ReportOutcome, ReportStyle>> = {
  planned: 'cyan',
  done: 'green',
  incomplete: 'yellow',
  failed: 'red',
  'rolled-back': 'red',
}

function head(report: Report, paint: ReportPaint): string {
  const badge = paint(OUTCOME_STYLES[report.outcome], OUTCOME_WORDS[report.outcome])
  const when = `${formatTimeWithZone(report.startedAt)}, ${formatDuration(report.durationMs)}, run ${report.run}`
  return (
    `${paint('bold', shown(capitalized(report.title)))}: ${badge}\n` +
    `  ${shown(verdictOf(report))}.\n  ${paint('gray', shown(when))}\n`
  )
}

function facts(report: Report, paint: ReportPaint): string {
  const names = report.facts.map(({ name }) => shown(name))
  const width = widest(names)
  return report.facts
    .map(({ value }, at) => `  ${paint('gray', (names[at] ?? '').padEnd(width))}  ${shown(value)}\n`)
    .join('')
}

const STEP_MARKS: Readonly<Record<StepOutcome, { readonly style: ReportStyle; readonly word: string }>> = {
  done: { style: 'green', word: 'done' },
  skipped: { style: 'gray', word: 'skipped' },
  failed: { style: 'red', word: 'failed' },
}

function steps(report: Report, paint: ReportPaint): string {
  if (report.steps.length === 0) return ''
  const rows = report.steps.map(step => ({
    ...step,
    time: step.outcome === 'skipped' ? '-' : formatDuration(step.durationMs),
    what: shown(step.name),
    amount: amountOf(step),
  }))
  const [what, time] = [widest(rows.map(row => row.what)), widest(rows.map(row => row.time))]
  const lines = rows.map(row => {
    const mark = STEP_MARKS[row.outcome]
    const state = paint(mark.style, mark.word.padEnd(7))
    const line = `  ${state}  ${row.what.padEnd(what)}  ${row.time.padStart(time)}  ${row.amount}`.trimEnd()
    return row.note === undefined ? `${line}\n` : `${line}\n           ${shown(row.note)}\n`
  })
  return `${paint('bold', 'Steps')}\n${lines.join('')}`
}

function checks(outcomes: readonly CheckOutcome[], paint: ReportPaint): string {
  if (outcomes.length === 0) return ''
  const failed = outcomes.filter(check => !check.passed)
  const passed = outcomes.filter(check => check.passed)
  const summary =
    failed.length === 0
      ? paint('green', `${counted(passed.length, 'check')} passed`)
      : paint('red', `${failed.length} of ${counted(outcomes.length, 'check')} failed`)
  const lines = failed.map(
    ({ name, expected, found }) =>
      `  ${paint('red', 'failed')}  ${shown(name)}: expected ${shown(expected)}, found ${shown(found)}\n`,
  )
  const names = shortNames(passed).map(shown)
  const rest = names.length === 0 ? '' : `  ${paint('green', 'passed')}  ${names.join(', ')}\n`
  return `${paint('bold', 'Checks')}: ${summary}\n${lines.join('')}${rest}`
}

function tableText(table: ReportTable, paint: ReportPaint): string {
  const cells = table.rows.map(row => row.map(shown))
  const titles = table.columns.map(({ name }) => shown(name))
  const widths = titles.map((title, at) => widest([title, ...cells.map(row => row[at] ?? '')]))
  const line = (row: readonly string[]): string =>
    table.columns
      .map(({ align }, at) => {
        const [cell, width] = [row[at] ?? '', widths[at] ?? 0]
        return align === 'right' ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  const body = cells.map(row => `  ${line(row)}\n`).join('')
  return `${paint('bold', shown(capitalized(table.title)))}\n  ${paint('gray', line(titles))}\n${body}`
}

const SEVERITY_STYLES: Readonly<Record<Severity, ReportStyle>> = { info: 'cyan', warning: 'yellow', error: 'red' }
const SHOWN_ALIKE = 3

/** Of many alike the first few, then how many more there are; errors are all told. */
function findings(all: readonly Finding[], paint: ReportPaint): string {
  const kinds = Map.groupBy(all, ({ severity, code }) => `${severity} ${code}`)
  return [...kinds.values()]
    .map(alike => {
      const whole = alike[0]?.severity === 'error' || alike.length <= SHOWN_ALIKE + 1
      const told = whole ? alike : alike.slice(0, SHOWN_ALIKE)
      const rest = alike.length - told.length
      const note = rest > 0 ? `  and ${rest} more of this kind; the JSON form lists them\n` : ''
      return told.map(finding => findingText(finding, paint)).join('') + note
    })
    .join('')
}

function findingText({ severity, subject, message, hint }: Finding, paint: ReportPaint): string {
  const about = message.startsWith(subject) ? '' : `${shown(subject)}: `
  const advice = hint === undefined ? '' : `  ${shown(hint)}\n`
  return `${paint(SEVERITY_STYLES[severity], `${severity}:`)} ${about}${shown(message)}\n${advice}`
}

function next(report: Report, paint: ReportPaint): string {
  if (report.next.length === 0) return ''
  const commands = report.next.map(({ command }) => shown(command))
  const width = widest(commands)
  const lines = report.next.map(
    ({ explains }, at) => `  ${paint('bold', (commands[at] ?? '').padEnd(width))}  ${shown(explains)}\n`,
  )
  return `${paint('bold', 'Next')}\n${lines.join('')}`
}

const shown = printableName
const widest = (texts: readonly string[]): number => texts.reduce((width, text) => Math.max(width, text.length), 0)
