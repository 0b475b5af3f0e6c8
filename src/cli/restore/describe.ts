import { formatDuration } from '../../base/durations.ts'
import { formatSize } from '../../base/sizes.ts'
import { formatTime } from '../../base/times.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { Restored } from '../../operations/restore/carry-out.ts'
import { subjectOf } from '../../operations/restore/restore-report.ts'
import type { SafeRestoreResult } from '../../operations/restore/safely.ts'
import { undoCommand } from '../../operations/restore/typed-commands.ts'
import type { Call } from '../command.ts'
import { counted, formatFindings } from '../printers/text.ts'

export function describeRestore({ plan, result, removed }: Restored, call: Call): string {
  const paint = call.terminal.out
  const { snapshot, repository } = plan
  const id = snapshot.id.slice(0, SHORT_ID_DIGITS)
  const what = subjectOf(plan)
  const passed = result.checks.length === 0 ? '' : `  checks passed: ${checkNames(result).join(', ')}\n`
  return (
    `Restored ${what} of ${formatTime(snapshot.time)} (snapshot ${id} in ${repository.name}) to ${paint('bold', result.target)}\n` +
    changed(result) +
    `  ${counted(result.files, 'file')}, ${formatSize(result.totalBytes)}, ${formatSize(result.writtenBytes)} of it written, ${formatDuration(result.durationMs)}\n` +
    `${passed}${describeMasked(result)}${describeServer(result)}${removed ? REMOVED : describeWayBack(result)}${formatFindings(result.findings, paint)}`
  )
}

/** Each database, where the target is a server of several. */
function changed({ target, entry }: SafeRestoreResult): string {
  const { places } = entry
  return places.length < 2 && (places[0] ?? target) === target ? '' : `  changed: ${places.join(', ')}\n`
}

const REMOVED = '  it was a temporary copy and is removed; --keep leaves it\n'

function describeWayBack({ entry }: SafeRestoreResult): string {
  const undo = undoCommand(entry)
  if (entry.safety && entry.kept.length === 0)
    return `  what was there is snapshot ${entry.safety.snapshot.slice(0, 8)}; put it back with: ${undo}\n`
  const kept = entry.kept.map(each => each.kept)
  return kept.length === 0 ? '' : `  what was there is kept as ${kept.join(', ')}; put it back with: ${undo}\n`
}

function describeMasked({ masked }: SafeRestoreResult): string {
  if (masked === undefined) return ''
  const values = masked.reduce((sum, column) => sum + column.values, 0)
  return `  masked: ${counted(values, 'value')} in ${counted(masked.length, 'column')}\n`
}

function describeServer({ started }: SafeRestoreResult): string {
  if (started === undefined) return ''
  const upTo = started.lastCommitAt === undefined ? '' : `, last commit ${formatTime(started.lastCommitAt)}`
  const reached = started.reachedLsn === undefined ? '' : `  reached ${started.reachedLsn}${upTo}\n`
  return `${reached}  a server runs on it: port ${started.port}, socket in ${started.socketDir}, timeline ${started.timeline}, log ${started.logFile}\n`
}

/** One word for the row counts of all tables: a database may have hundreds. */
function checkNames({ checks }: SafeRestoreResult): string[] {
  const others = checks.filter(check => !check.name.startsWith(ROWS)).map(check => check.name)
  const tables = checks.length - others.length
  return tables === 0 ? others : [...others, `rows of ${counted(tables, 'table')}`]
}

const ROWS = 'rows of '
