import { randomUUID } from 'node:crypto'
import type { App } from '../../app.ts'
import { formatDuration } from '../../base/durations.ts'
import { AppError } from '../../base/errors.ts'
import { formatTime } from '../../base/times.ts'
import type { Report } from '../../model/report.ts'
import type { MergeProgress, MergeRequest, MergeResult } from '../../operations/merge/merge.ts'
import type { SafeMergeResult } from '../../operations/merge/safely.ts'
import type { RestorePlan } from '../../operations/restore/plan.ts'
import type { Source } from '../../sources/source.ts'
import type { Call, Output } from '../command.ts'
import { mergeJson } from '../json-outputs-merge.ts'
import { formatFindings } from '../printers/text.ts'
import { saveReport } from '../reports.ts'
import type { ChosenSnapshot } from '../selection.ts'
import { INCOMPLETE, planSettled, sourceFor } from './bring-back.ts'
import { confirmChange } from './confirm.ts'
import { factsOf, failureReport, type Subject } from './describe.ts'
import { ownPlaceOf, restorePlaces } from './places.ts'
import type { Place } from './target.ts'

/** Adds to what is at a place what only the recovery point has: plan, question, change, report. */
export async function mergeInto(call: Call, app: App, chosen: ChosenSnapshot, place: Place): Promise<Output> {
  refuseOtherParts(call)
  const startedAt = app.clock.now()
  const source = await sourceFor(app, chosen, place.target)
  const { mergingOf } = await import('../../operations/merge/merge.ts')
  mergingOf(source)
  const plan = await planSettled(call, app, chosen, source, place, 'merge')
  const subject: Subject = {
    run: randomUUID(),
    strategy: 'merge',
    source: source.name,
    purpose: place.purpose,
    startedAt,
  }
  const request = await requestOf(call, app, chosen, source, place)
  if (call.values.flag('dryRun')) return await showDryRun(call, app, { subject, plan, chosen, request })
  await requireMergeable(plan)
  if (place.purpose === 'own') await confirmChange(call, { verb: 'merges into', plan, chosen })
  const result = await carryOut(call, app, chosen, { request, plan, run: subject.run }).catch(
    async (error: unknown) => {
      await saveReport(call, app, failureReport(subject, plan, chosen, error, app.clock.now()))
      throw error
    },
  )
  await saveReport(call, app, await mergeReport(subject, plan, chosen, result))
  const { leavesOut } = await import('../../operations/merge/report.ts')
  const exitCode = leavesOut(result) ? INCOMPLETE : 0
  const json = toJson(result, chosen, exitCode !== 0)
  return { json, text: await describe(result, chosen, call), findings: result.findings, exitCode }
}

function refuseOtherParts({ values }: Call): void {
  const lists = ['include', 'table', 'schema'].filter(name => values.list(name).length > 0)
  const flags = [
    ['schemaOnly', 'schema-only'],
    ['dataOnly', 'data-only'],
    ['force', 'force'],
    ['start', 'start'],
  ].flatMap(([name = '', flag = '']) => (values.flag(name) ? [flag] : []))
  const [first] = [...lists, ...flags]
  if (first === undefined) return
  throw new AppError('usage', `--${first} does not go with --strategy merge`, {
    hint: 'A merge takes all tables; leave some out with "restore: { merge: { tables: { NAME: { skip: true } } } }".',
  })
}

/** A missing target can't be merged into. */
async function requireMergeable(plan: RestorePlan): Promise<void> {
  const { requirePossible } = await import('../../operations/restore/plan.ts')
  if (!plan.survey.exists) {
    throw new AppError('target-invalid', `there is nothing at ${plan.survey.place} to merge into`, {
      hint: 'Leave --strategy out to restore to it.',
    })
  }
  requirePossible(plan)
}

async function requestOf(
  call: Call,
  app: App,
  { repository, snapshot }: ChosenSnapshot,
  source: Source,
  { target }: Place,
): Promise<Omit<MergeRequest, 'dryRun'>> {
  const { openSnapshotReader } = await import('../../operations/restore/snapshot-reader.ts')
  const databases = call.values.list('database')
  const onProgress = ({ phase, table, done, tables }: MergeProgress): void =>
    call.progress.update({ label: `${phase} ${table}`, done, total: tables, unit: 'items' })
  return {
    ...(await app.sourceContext()),
    snapshot: await openSnapshotReader({ repository, snapshot, signal: app.signal }),
    source,
    target: target === ownPlaceOf(app, source.name) ? undefined : target,
    database: databases[0],
    rules: app.mergeRules(source.name),
    onProgress,
  }
}

interface DryRun {
  readonly subject: Subject
  readonly plan: RestorePlan
  readonly chosen: ChosenSnapshot
  readonly request: Omit<MergeRequest, 'dryRun'>
}

async function showDryRun(call: Call, app: App, { subject, plan, chosen, request }: DryRun): Promise<Output> {
  const { merge } = await import('../../operations/merge/merge.ts')
  const { reportToText } = await import('../../operations/report/report-text.ts')
  await requireMergeable(plan)
  const result = await merge({ ...request, dryRun: true })
  call.progress.clear()
  const report = await mergeReport(subject, plan, chosen, result)
  await saveReport(call, app, report)
  return { json: { ...mergeJson(result), report }, text: reportToText(report, call.terminal.out) }
}

interface Decided {
  readonly request: Omit<MergeRequest, 'dryRun'>
  readonly plan: RestorePlan
  readonly run: string
}

async function carryOut(
  call: Call,
  app: App,
  { name, snapshot }: ChosenSnapshot,
  { request, plan, run }: Decided,
): Promise<SafeMergeResult> {
  const { mergeSafely } = await import('../../operations/merge/safely.ts')
  const { leavesOut } = await import('../../operations/merge/report.ts')
  const { recordRun } = await import('../../operations/runs/record-run.ts')
  const places = await restorePlaces(app)
  const result = await recordRun(
    { catalog: app.catalog(), clock: app.clock },
    { operation: 'merge', source: request.source.name, repository: name },
    () => mergeSafely({ ...request, places, run, repositoryName: name, place: plan.survey.place }),
    ({ tables, left, findings }) => ({
      outcome: leavesOut({ left }) ? 'incomplete' : 'done',
      snapshot: snapshot.id,
      statistics: {
        added: sumOf(tables, 'added'),
        updated: sumOf(tables, 'updated'),
        skipped: sumOf(tables, 'skipped'),
      },
      findings,
    }),
  )
  call.progress.clear()
  return result
}

function sumOf(tables: MergeResult['tables'], name: 'added' | 'updated' | 'skipped'): number {
  return tables.reduce((sum, table) => sum + table[name], 0)
}

async function mergeReport(
  subject: Subject,
  plan: RestorePlan,
  chosen: ChosenSnapshot,
  result: MergeResult & Partial<SafeMergeResult>,
): Promise<Report> {
  const { leavesOut, mergeFindings, mergeReportTables, mergeSummary } = await import('../../operations/merge/report.ts')
  const done = leavesOut(result) ? 'incomplete' : 'done'
  return {
    title: `merge into ${subject.source}`,
    outcome: result.dryRun ? 'planned' : done,
    verdict: result.dryRun
      ? `a merge would come to this: ${mergeSummary(result)}; nothing was changed`
      : mergeSummary(result),
    run: subject.run,
    startedAt: subject.startedAt,
    durationMs: result.durationMs,
    facts: factsOf(subject, plan, chosen),
    steps: result.steps ?? [],
    checks: [],
    tables: mergeReportTables(result),
    findings: result.findings ?? mergeFindings(result, subject.source),
    next: result.entry?.safety
      ? [{ command: `lifeboat undo ${subject.run.slice(0, 8)}`, explains: 'puts back what was there' }]
      : [],
  }
}

function toJson(result: SafeMergeResult, { name, snapshot }: ChosenSnapshot, leftOut: boolean): unknown {
  return {
    ...mergeJson(result),
    run: result.run,
    strategy: 'merge',
    repository: name,
    snapshot: snapshot.id,
    shortId: snapshot.id.slice(0, 8),
    time: snapshot.time,
    target: result.target,
    safetySnapshot: result.entry.safety?.snapshot ?? null,
    steps: result.steps,
    durationMs: result.durationMs,
    leftOut,
    findings: result.findings,
  }
}

async function describe(result: SafeMergeResult, { name, snapshot }: ChosenSnapshot, call: Call): Promise<string> {
  const { mergeReportTables, mergeSummary } = await import('../../operations/merge/report.ts')
  const { formatReportTable } = await import('./confirm.ts')
  const paint = call.terminal.out
  const [counts] = mergeReportTables(result)
  const { safety, run } = result.entry
  const undo = safety === undefined ? '' : `  put back what was there with: lifeboat undo ${run.slice(0, 8)}\n`
  return (
    `Merged the recovery point of ${formatTime(snapshot.time)} (snapshot ${snapshot.id.slice(0, 8)} in ${name}) into ${paint('bold', result.target)}\n` +
    `  ${mergeSummary(result)}, ${formatDuration(result.durationMs)}\n${undo}` +
    (counts === undefined ? '' : `\n${formatReportTable(counts, paint)}`) +
    formatFindings(result.findings, paint)
  )
}
