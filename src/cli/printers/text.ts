import { printableName } from '../../base/bytes.ts'
import type { AppError } from '../../base/errors.ts'
import type { Finding, Severity } from '../../model/finding.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { Paint } from '../terminal.ts'

export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => string
  readonly right?: boolean
}

/** Columns as wide as their widest cell, two spaces apart; the last one is not padded. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], paint: Paint): string {
  // A name with a line break would look like a row of its own.
  const cells = rows.map(row => columns.map(column => column.value(row).replace(/[\n\r\t]/g, printableName)))
  const titles = columns.map(column => column.title)
  const widths = titles.map(title => title.length)
  for (const row of cells) {
    for (const [at, cell] of row.entries()) if (cell.length > (widths[at] ?? 0)) widths[at] = cell.length
  }
  const line = (row: readonly string[]): string => {
    let text = ''
    for (const [at, cell] of row.entries()) {
      const width = widths[at] ?? 0
      if (at > 0) text += '  '
      text += columns[at]?.right ? cell.padStart(width) : at === row.length - 1 ? cell : cell.padEnd(width)
    }
    return text.trimEnd()
  }
  return [paint('bold', line(titles)), ...cells.map(line)].map(text => `${text}\n`).join('')
}

const SEVERITY_STYLE = { info: 'cyan', warning: 'yellow', error: 'red' } as const satisfies Record<Severity, string>

export function formatFinding(finding: Finding, paint: Paint): string {
  const { severity, message, hint, affects } = finding
  const subject = finding.subject.replace(/\n/g, printableName)
  const about = message.startsWith(subject) ? '' : `${subject}: `
  const head = `${paint(SEVERITY_STYLE[severity], `${severity}:`)} ${about}${message}\n`
  const names = affects ?? []
  const suffers =
    names.length === 0 ? '' : `  affects ${names.slice(0, 5).map(shortened).join(', ')}${more(names.length - 5)}\n`
  return `${head}${suffers}${hint === undefined ? '' : `  ${hint}\n`}`
}

/** Snapshots by as many digits as everywhere else; paths as they are. */
const shortened = (name: string): string => (/^[0-9a-f]{64}$/.test(name) ? name.slice(0, SHORT_ID_DIGITS) : name)

const more = (count: number): string => (count > 0 ? ` and ${count} more` : '')

/** Of many alike the first few, then how many more there are; errors are all told. */
export function formatFindings(findings: readonly Finding[], paint: Paint): string {
  const kinds = Map.groupBy(findings, ({ severity, code }) => `${severity} ${code}`)
  return [...kinds.values()].map(alike => formatAlike(alike, paint)).join('')
}

const SHOWN_ALIKE = 3

function formatAlike(alike: readonly Finding[], paint: Paint): string {
  const all = alike[0]?.severity === 'error' || alike.length <= SHOWN_ALIKE + 1
  const shown = all ? alike : alike.slice(0, SHOWN_ALIKE)
  const rest = alike.length - shown.length
  const note = rest > 0 ? `  and ${rest} more of this kind; --json lists them\n` : ''
  return shown.map(finding => formatFinding(finding, paint)).join('') + note
}

/** For stderr. */
export function formatError(error: AppError, paint: Paint): string {
  const hint = error.hint === undefined ? '' : `${error.hint}\n`
  return `${paint('red', 'error:')} ${error.message}\n${hint}`
}

/** `1 snapshot`, `2 snapshots`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
