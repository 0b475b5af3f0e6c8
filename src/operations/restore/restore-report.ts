import { isAppError, messageOf } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import { formatTime } from '../../base/times.ts'
import type { Finding } from '../../model/finding.ts'
import { maskReportTables } from '../../model/masking/outcome.ts'
import type { Report, ReportSubject, ReportTable } from '../../model/report.ts'
import { counted } from '../report/wording.ts'
import { ONLY_NOW, ONLY_THEN } from './account.ts'
import type { Phase, Strategy } from './journal.ts'
import { placesOf, type RestorePlan } from './plan.ts'
import type { SafeRestoreResult } from './safely.ts'
import { undoCommand } from './typed-commands.ts'
import { partName } from './wish.ts'

/** What of which source: `table product of shop`. */
export function subjectOf({ wish, source }: Pick<RestorePlan, 'wish' | 'source'>): string {
  const part = partName(wish)
  return part === undefined ? source : `${part} of ${source}`
}

/** For machines. */
export function aboutPlan({ source, repository, snapshot }: RestorePlan, operation: string): ReportSubject {
  return { operation, source, repository: repository.name, snapshot: snapshot.id }
}

const PURPOSES = { own: '', test: ' (for tests)', temporary: ' (temporary)' } as const

/** What each report of a restore, done or planned, begins with. */
export function factsOf(plan: RestorePlan): Report['facts'] {
  const { repository, snapshot, survey, place } = plan
  const point = `${formatTime(snapshot.time)} (snapshot ${snapshot.id.slice(0, 8)} in ${repository.name})`
  return [
    { name: 'source', value: plan.source },
    { name: 'recovery point', value: point },
    { name: 'target', value: `${survey.place}${PURPOSES[place.purpose]}` },
    ...changesOf(plan),
    { name: 'strategy', value: plan.strategy },
  ]
}

/** Where the target is a server: each database. */
function changesOf({ survey }: RestorePlan): Report['facts'] {
  const places = placesOf(survey)
  return places.length === 1 && places[0] === survey.place ? [] : [{ name: 'changes', value: places.join(', ') }]
}

const CHANGES: Readonly<Record<Strategy, string>> = {
  replace: 'replace what is there',
  'in-place': 'write into what is there',
  tables: 'replace rows in what is there',
  merge: 'add to what is there',
}

/** What a dry run found. */
export function planReport(plan: RestorePlan): Report {
  const forbidden = plan.findings.some(finding => finding.severity === 'error')
  const change = plan.survey.exists ? CHANGES[plan.strategy] : 'restore to a new place'
  return {
    title: `restore of ${subjectOf(plan)}`,
    outcome: forbidden ? 'failed' : 'planned',
    verdict: forbidden ? 'it cannot be restored like this' : `it would ${change}; nothing was changed`,
    run: plan.id,
    about: aboutPlan(plan, 'restore'),
    startedAt: plan.madeAt,
    durationMs: 0,
    facts: factsOf(plan),
    steps: [],
    checks: [],
    tables: plan.account.tables,
    findings: plan.findings,
    next: [],
  }
}

export interface Failed {
  /** Its id. */
  readonly run: string
  readonly startedAt: Date
  readonly now: Date
}

/** Of one that failed: how far it came, and what is at the target now. */
export function failureReport(plan: RestorePlan, { run, startedAt, now }: Failed, error: unknown): Report {
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
    title: `restore of ${subjectOf(plan)}`,
    outcome: phase === 'rolled-back' ? 'rolled-back' : 'failed',
    run,
    about: aboutPlan(plan, plan.strategy === 'merge' ? 'merge' : 'restore'),
    startedAt,
    durationMs: now.getTime() - startedAt.getTime(),
    facts: factsOf(plan),
    steps,
    checks: [],
    tables: plan.account.tables,
    findings: [failure, ...findings],
    next: [],
  }
}

const PAST: Readonly<Record<string, string>> = { now: 'before', [ONLY_NOW]: 'only before', [ONLY_THEN]: 'came' }

/** What was `now` when it was planned. */
function inThePast(table: ReportTable): ReportTable {
  const columns = table.columns.map(column => ({ ...column, name: PAST[column.name] ?? column.name }))
  return { ...table, title: 'what was there, and what came', columns }
}

/** How the two differed is over, and nothing to mend. */
function asPast(finding: Finding): Finding {
  return { ...finding, severity: 'info', message: finding.message.replace(/^is /, 'was ') }
}

function verdictOn(plan: RestorePlan, removed: boolean): string {
  const [place, time] = [plan.survey.place, formatTime(plan.snapshot.time)]
  if (removed) return `${subjectOf(plan)} comes back as it was at ${time}; the copy is removed`
  if (partName(plan.wish) !== undefined) return `${subjectOf(plan)} is in ${place} as it was at ${time}`
  return `${place} is as ${plan.source} was at ${time}`
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
export function restoreReport(plan: RestorePlan, startedAt: Date, result: SafeRestoreResult, removed: boolean): Report {
  const canUndo = result.entry.safety !== undefined || result.entry.kept.length > 0
  return {
    title: `restore of ${subjectOf(plan)}`,
    outcome: isWholly(result) ? 'done' : 'incomplete',
    verdict: verdictOn(plan, removed) + butFor(result),
    run: result.run,
    about: aboutPlan(plan, 'restore'),
    startedAt,
    durationMs: result.durationMs,
    facts: [
      ...factsOf(plan),
      { name: 'restored', value: `${counted(result.files, 'file')}, ${formatSize(result.totalBytes)}` },
      { name: 'written', value: formatSize(result.writtenBytes) },
    ],
    steps: result.steps,
    checks: result.checks,
    tables: [...plan.account.tables.map(inThePast), ...maskReportTables(result.masked ?? [])],
    findings: [...plan.account.findings.map(asPast), ...result.findings],
    next: canUndo && !removed ? [{ command: undoCommand(result.entry), explains: 'puts back what was there' }] : [],
  }
}
