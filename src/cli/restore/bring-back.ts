import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import type { App } from '../../app.ts'
import { AppError, isAppError } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import type { Finding } from '../../model/finding.ts'
import type { Mask } from '../../model/masking/rules.ts'
import { labelsOf } from '../../model/recovery-point.ts'
import type { RecoveryRequest } from '../../model/recovery-target.ts'
import type { RestorePlan } from '../../operations/restore/plan.ts'
import type { RestoreOperationRequest } from '../../operations/restore/restore.ts'
import type { SafeRestoreResult } from '../../operations/restore/safely.ts'
import type { OnRestored, Source, TargetSurvey } from '../../sources/source.ts'
import type { Call, Output } from '../command.ts'
import { tablespacesOf } from '../recovery.ts'
import { saveReport } from '../reports.ts'
import type { ChosenSnapshot } from '../selection.ts'
import { confirmChange } from './confirm.ts'
import {
  describeRestore,
  failureReport,
  isWholly,
  planReport,
  restoreReport,
  restoreToJson,
  type Subject,
} from './describe.ts'
import { restorePlaces } from './places.ts'
import { isWhole, partName, selectionOf } from './selection.ts'
import { type Place, requireNobodys, strategyOf } from './target.ts'
import { settleRestores } from './unfinished.ts'

const VERBS = { replace: 'replaces', 'in-place': 'writes into', tables: 'replaces rows of tables in' } as const

/** All that there is came back, and something was never captured. */
export const INCOMPLETE = 3

export interface Wanted {
  readonly place: Place
  readonly recovery: RecoveryRequest | undefined
}

/** Replaces, or makes, what is at a place: plan, question, change, report. */
export async function bringBack(call: Call, app: App, chosen: ChosenSnapshot, wanted: Wanted): Promise<Output> {
  const startedAt = app.clock.now()
  const { target, purpose } = wanted.place
  const source = await sourceFor(app, chosen, target)
  const strategy = strategyOf(call, source.kind, target)
  const mask = await maskFor(call, app, source.name, purpose)
  const plan = await planSettled(call, app, chosen, source, wanted.place, strategy)
  const part = partName(call)
  const subject: Subject = { run: randomUUID(), strategy, source: source.name, part, purpose, startedAt }
  if (call.values.flag('dryRun')) return await showPlan(call, app, planReport(subject, plan, chosen))
  const { requirePossible } = await import('../../operations/restore/plan.ts')
  requirePossible(plan)
  if (plan.survey.exists && purpose === 'own') await confirmChange(call, { verb: VERBS[strategy], plan, chosen })
  const decided: Decided = { ...wanted, mask, source, strategy, plan, run: subject.run }
  const result = await carryOut(call, app, chosen, decided).catch(async (error: unknown) => {
    await saveReport(call, app, failureReport(subject, plan, chosen, error, app.clock.now()))
    throw withFindings(error)
  })
  const removed = purpose === 'temporary' && !call.values.flag('keep')
  if (removed) await source.targets.remove({ ...(await app.sourceContext()), target })
  await saveReport(call, app, restoreReport({ ...subject, removed }, plan, chosen, result))
  const exitCode = isWholly(result) ? 0 : INCOMPLETE
  return {
    json: restoreToJson(result, chosen, removed),
    text: describeRestore(result, chosen, call, removed),
    exitCode,
    findings: result.findings,
  }
}

/** What was found out while all was put back must reach the person too: the application may still be stopped. */
function withFindings(error: unknown): unknown {
  if (!isAppError(error)) return error
  const { findings = [] } = error.context as { readonly findings?: readonly Finding[] }
  if (findings.length === 0) return error
  const said = findings.flatMap(({ subject, message, hint }) =>
    message === error.message ? [hint] : [`${subject}: ${message}`, hint],
  )
  const hint = [error.hint, ...said].filter(text => text !== undefined).join('\n')
  return new AppError(error.code, error.message, { hint, context: error.context, cause: error.cause ?? error })
}

export async function showPlan(call: Call, app: App, report: ReturnType<typeof planReport>): Promise<Output> {
  const { reportToText } = await import('../../operations/report/report-text.ts')
  await saveReport(call, app, report)
  return { json: report, text: reportToText(report, call.terminal.out), exitCode: report.outcome === 'failed' ? 1 : 0 }
}

/** What a killed restore left at the target is brought to its end first: a safety recovery point of half of it is none. */
export async function planSettled(...args: Parameters<typeof planOf>): Promise<RestorePlan> {
  const [call, app] = args
  const plan = await planOf(...args)
  if (call.values.flag('dryRun')) return plan
  const settled = await settleRestores(call, app, plan.survey.place)
  return settled.length === 0 ? plan : await planOf(...args)
}

async function planOf(
  call: Call,
  app: App,
  { repository, snapshot }: ChosenSnapshot,
  source: Source,
  place: Place,
  strategy: RestorePlan['strategy'],
): Promise<RestorePlan> {
  const { planRestore } = await import('../../operations/restore/plan.ts')
  const hooks = app.config.sources.get(source.name)?.restore
  const plan = await planRestore({
    ...(await app.sourceContext()),
    repository,
    snapshot,
    source,
    target: place.target,
    strategy,
    selection: selectionOf(call),
    delta: call.values.flag('delta'),
    include: call.values.list('include'),
    reserved: await reservedFor(app, place),
    stopsApplication: hooks?.before !== undefined && (await app.isOwnPlace(source.name, place.target)),
  })
  if (place.purpose === 'test') {
    for (const each of placesOf(plan.survey)) await requireNobodys(app, source.name, each)
  }
  return plan
}

/** All that a restore may change. */
export function placesOf({ place, places = [place] }: TargetSurvey): readonly string[] {
  return places
}

/** Our own folders are nobody's to restore into, but our own temporary copies are there. */
async function reservedFor(app: App, { purpose }: Place): Promise<string[]> {
  return purpose === 'temporary' ? [] : await app.excludedPaths()
}

interface Decided extends Wanted {
  readonly source: Source
  readonly mask: Mask | undefined
  readonly strategy: ReturnType<typeof strategyOf>
  readonly plan: RestorePlan
  readonly run: string
}

async function carryOut(call: Call, app: App, chosen: ChosenSnapshot, decided: Decided): Promise<SafeRestoreResult> {
  const { restoreSafely } = await import('../../operations/restore/safely.ts')
  const { recordRun } = await import('../../operations/runs/record-run.ts')
  const { name, repository, snapshot } = chosen
  const { source, strategy, plan, run } = decided
  const catalog = app.catalog()
  const request = {
    ...(await writeRequest(call, app, chosen, decided)),
    places: await restorePlaces(app),
    run,
    repositoryName: name,
    strategy,
    place: plan.survey.place,
    existed: plan.survey.exists,
    planned: placesOf(plan.survey),
    delta: call.values.flag('delta'),
  }
  const result = await recordRun(
    { catalog, clock: app.clock },
    { operation: 'restore', source: source.name, repository: name },
    () => restoreSafely(request),
    ({ files, totalBytes, writtenBytes, findings, incomplete, leftOut }) => ({
      outcome: isWholly({ incomplete, leftOut }) ? 'done' : 'incomplete',
      snapshot: snapshot.id,
      statistics: { files, totalBytes, writtenBytes },
      findings,
    }),
  )
  // A part that came back proves nothing of the rest, and unchecked data nothing at all.
  if (isWhole(call) && request.checks && request.mask === undefined && !result.leftOut) {
    await catalog.saveProofs(repository.id, [snapshot.id], 'restored', app.clock.now())
  }
  return result
}

async function writeRequest(
  call: Call,
  app: App,
  { repository, snapshot }: ChosenSnapshot,
  { source, place, recovery, mask }: Decided,
): Promise<Omit<RestoreOperationRequest, 'force' | 'delta' | 'beforeChange' | 'keepAs'>> {
  return {
    ...(await app.sourceContext()),
    repository,
    snapshot,
    source,
    target: place.target,
    reserved: await reservedFor(app, place),
    checks: call.values.flag('checks'),
    include: call.values.list('include'),
    selection: selectionOf(call),
    recovery,
    mask,
    tablespaces: tablespacesOf(call),
    start: call.values.flag('start'),
    onRestored: await assertionsFor(call, app, source.name, place),
    onProgress: progressOf(call, source.name),
  }
}

/** Test copies are masked as the source says; others as the command line does. */
async function maskFor(call: Call, app: App, source: string, purpose: Place['purpose']): Promise<Mask | undefined> {
  const named = call.values.text('mask')
  const configured = purpose === 'own' ? undefined : app.config.sources.get(source)?.restore?.mask
  const file = named === undefined ? configured : resolve(named)
  return file === undefined ? undefined : await app.loadMask(file)
}

/** What the user says must hold is asked of test copies always, of others with `--verify`. */
async function assertionsFor(call: Call, app: App, source: string, place: Place): Promise<OnRestored | undefined> {
  const assertions = app.config.sources.get(source)?.assertions ?? []
  const asks = (call.values.flag('verify') || place.purpose !== 'own') && isWhole(call)
  if (!asks || assertions.length === 0) return undefined
  const { runAssertions } = await import('../../operations/assertions/run-assertions.ts')
  return copy => runAssertions(assertions, copy, { signal: app.signal, place: app.commandPlace() })
}

function progressOf(call: Call, source: string) {
  const whole = call.values.list('include').length === 0
  return (now: { totalBytes: number; writtenBytes: number; sizeBytes: number | undefined }): void =>
    call.progress.update({
      label: `restore ${source}`,
      done: now.totalBytes,
      total: whole ? now.sizeBytes : undefined,
      unit: 'bytes',
      details: [`${formatSize(now.writtenBytes)} written`],
    })
}

/** The configured source where it fits the snapshot, else one of the snapshot's kind that knows only the target. */
export async function sourceFor(app: App, { snapshot }: ChosenSnapshot, target: string): Promise<Source> {
  const { source, kind } = labelsOf(snapshot.tags)
  const configured = source === undefined ? undefined : app.config.sources.get(source)
  if (source !== undefined && configured?.kind === kind) return app.openSource(source)
  return app.openSourceAt(source ?? 'snapshot', kind ?? 'files', target)
}
