import { formatDuration } from '../../base/durations.ts'
import { isAppError, messageOf } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import { formatTime } from '../../base/times.ts'
import type { Finding } from '../../model/finding.ts'
import { type MaskedColumn, maskReportTables } from '../../model/masking/outcome.ts'
import { describeRule } from '../../model/masking/rules.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { Report, ReportTable } from '../../model/report.ts'
import type { Phase, Strategy } from '../../operations/restore/journal.ts'
import type { RestorePlan } from '../../operations/restore/plan.ts'
import type { SafeRestoreResult } from '../../operations/restore/safely.ts'
import type { Call } from '../command.ts'
import { counted, formatFindings } from '../printers/text.ts'
import type { ChosenSnapshot } from '../selection.ts'
import { partName } from './selection.ts'
import type { Place } from './target.ts'

export function restoreToJson(
  result: SafeRestoreResult,
  { name, snapshot }: ChosenSnapshot,
  removed: boolean,
): unknown {
  const { entry, kept: _, masked, incomplete, ...rest } = result
  const shortId = snapshot.id.slice(0, SHORT_ID_DIGITS)
  return {
    ...rest,
    repository: name,
    snapshot: snapshot.id,
    shortId,
    time: snapshot.time,
    safetySnapshot: entry.safety?.snapshot ?? null,
    kept: entry.kept,
    incomplete: incomplete ?? null,
    removed,
    ...(masked === undefined ? {} : { masked: masked.map(maskedToJson) }),
  }
}

function maskedToJson({ table, column, rule, follows, values }: MaskedColumn) {
  return { table, column, rule: describeRule(rule), follows: follows ?? null, values }
}

export function describeRestore(
  result: SafeRestoreResult,
  { name, snapshot }: ChosenSnapshot,
  call: Call,
  removed: boolean,
): string {
  const paint = call.terminal.out
  const id = snapshot.id.slice(0, SHORT_ID_DIGITS)
  const what = nameOf({ source: result.source, part: partName(call) })
  const passed = result.checks.length === 0 ? '' : `  checks passed: ${checkNames(result).join(', ')}\n`
  return (
    `Restored ${what} of ${formatTime(snapshot.time)} (snapshot ${id} in ${name}) to ${paint('bold', result.target)}\n` +
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
  const undo = `lifeboat undo ${entry.run.slice(0, 8)}`
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

/** What a report is about. */
export interface Subject {
  readonly run: string
  readonly strategy: string
  readonly purpose: Place['purpose']
  /** The copy was temporary, and is gone. */
  readonly removed?: boolean | undefined
  readonly source: string
  /** What of it comes back. Default: all. */
  readonly part?: string | undefined
  readonly startedAt: Date
}

function nameOf({ source, part }: Pick<Subject, 'source' | 'part'>): string {
  return part === undefined ? source : `${part} of ${source}`
}

const PURPOSES = { own: '', test: ' (for tests)', temporary: ' (temporary)' } as const

export function factsOf({ strategy, source, purpose }: Subject, plan: RestorePlan, { name, snapshot }: ChosenSnapshot) {
  return [
    { name: 'source', value: source },
    { name: 'recovery point', value: `${formatTime(snapshot.time)} (snapshot ${snapshot.id.slice(0, 8)} in ${name})` },
    { name: 'target', value: `${plan.survey.place}${PURPOSES[purpose]}` },
    ...changesOf(plan),
    { name: 'strategy', value: strategy },
  ]
}

/** Where the target is a server: each database. */
function changesOf({ survey: { place, places = [] } }: RestorePlan): Report['facts'] {
  if (places.length === 0 || (places.length === 1 && places[0] === place)) return []
  return [{ name: 'changes', value: places.join(', ') }]
}

const CHANGES: Readonly<Record<Strategy, string>> = {
  replace: 'replace what is there',
  'in-place': 'write into what is there',
  tables: 'replace rows in what is there',
  merge: 'add to what is there',
}

/** What a dry run found. */
export function planReport(subject: Subject, plan: RestorePlan, chosen: ChosenSnapshot): Report {
  const forbidden = plan.findings.some(finding => finding.severity === 'error')
  const change = plan.survey.exists ? CHANGES[plan.strategy] : 'restore to a new place'
  return {
    title: `restore of ${nameOf(subject)}`,
    outcome: forbidden ? 'failed' : 'planned',
    verdict: forbidden ? 'it cannot be restored like this' : `it would ${change}; nothing was changed`,
    run: subject.run,
    startedAt: subject.startedAt,
    durationMs: 0,
    facts: factsOf(subject, plan, chosen),
    steps: [],
    checks: [],
    tables: plan.account.tables,
    findings: plan.findings,
    next: [],
  }
}

/** Of one that failed: how far it came, and what is at the target now. */
export function failureReport(
  subject: Subject,
  plan: RestorePlan,
  chosen: ChosenSnapshot,
  error: unknown,
  now: Date,
): Report {
  const context = isAppError(error) ? error.context : {}
  const {
    phase,
    steps = [],
    findings = [],
  } = context as Partial<Pick<Report, 'steps' | 'findings'>> & { phase?: Phase }
  const failure: Finding = {
    severity: 'error',
    code: isAppError(error) ? error.code : 'bug',
    subject: plan.survey.place,
    message: messageOf(error),
    ...(isAppError(error) && error.hint !== undefined ? { hint: error.hint } : {}),
  }
  return {
    title: `restore of ${nameOf(subject)}`,
    outcome: phase === 'rolled-back' ? 'rolled-back' : 'failed',
    run: subject.run,
    startedAt: subject.startedAt,
    durationMs: now.getTime() - subject.startedAt.getTime(),
    facts: factsOf(subject, plan, chosen),
    steps,
    checks: [],
    tables: plan.account.tables,
    findings: [failure, ...findings],
    next: [],
  }
}

/** What was `now` when it was planned. */
function inThePast(table: ReportTable): ReportTable {
  const columns = table.columns.map(column => (column.name === 'now' ? { ...column, name: 'before' } : column))
  return { ...table, title: 'what was there, and what came', columns }
}

/** How the two differed is over, and nothing to mend. */
function asNews(finding: Finding): Finding {
  return { ...finding, severity: 'info', message: finding.message.replace(/^is /, 'was ') }
}

function verdictOn(subject: Subject, place: string, time: string): string {
  if (subject.removed) return `${nameOf(subject)} comes back as it was at ${time}; the copy is removed`
  if (subject.part !== undefined) return `${nameOf(subject)} is in ${place} as it was at ${time}`
  return `${place} is as ${subject.source} was at ${time}`
}

/** All of what was asked for came back, as it was. */
export function isWholly({ incomplete, leftOut }: Pick<SafeRestoreResult, 'incomplete' | 'leftOut'>): boolean {
  return incomplete === undefined && !leftOut
}

function butFor({ incomplete, leftOut }: SafeRestoreResult): string {
  const lacking = incomplete === undefined ? [] : [`${counted(incomplete.count, 'thing')} that the snapshot lacks`]
  const but = leftOut ? [...lacking, 'what the findings name'] : lacking
  return but.length === 0 ? '' : `, but for ${but.join(', and for ')}`
}

/** What a restore did. */
export function restoreReport(
  subject: Subject,
  plan: RestorePlan,
  chosen: ChosenSnapshot,
  result: SafeRestoreResult,
): Report {
  const run = result.run.slice(0, 8)
  const canUndo = result.entry.safety !== undefined || result.entry.kept.length > 0
  return {
    title: `restore of ${nameOf(subject)}`,
    outcome: isWholly(result) ? 'done' : 'incomplete',
    verdict: verdictOn(subject, plan.survey.place, formatTime(chosen.snapshot.time)) + butFor(result),
    run: result.run,
    startedAt: subject.startedAt,
    durationMs: result.durationMs,
    facts: [
      ...factsOf(subject, plan, chosen),
      { name: 'restored', value: `${counted(result.files, 'file')}, ${formatSize(result.totalBytes)}` },
      { name: 'written', value: formatSize(result.writtenBytes) },
    ],
    steps: result.steps,
    checks: result.checks,
    tables: [...plan.account.tables.map(inThePast), ...maskReportTables(result.masked ?? [])],
    findings: [...plan.account.findings.map(asNews), ...result.findings],
    next:
      canUndo && !subject.removed ? [{ command: `lifeboat undo ${run}`, explains: 'puts back what was there' }] : [],
  }
}
