import { AppError } from '../../base/errors.ts'
import { NO_RULES } from '../../model/merge-rules.ts'
import type { Report } from '../../model/report.ts'
import type { Source } from '../../sources/source.ts'
import { keepReportOf } from '../report/keep.ts'
import { chosenBy } from '../restore/carry-out.ts'
import { planRestore, type RestorePlan, renewPlan } from '../restore/plan.ts'
import { restorePlacesOf } from '../restore/restore-places.ts'
import { aboutPlan, factsOf, failureReport } from '../restore/restore-report.ts'
import { openSnapshotReader } from '../restore/snapshot-reader.ts'
import { requirePossible } from '../restore/survey.ts'
import { thawForPlan } from '../restore/thaw-for-plan.ts'
import { undoCommand } from '../restore/typed-commands.ts'
import type { RestoreWish } from '../restore/wish.ts'
import { sourceOfSnapshot } from '../snapshots/source-of-snapshot.ts'
import { type Caller, lookAround, type Run, runRecorded } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { type MergeProgress, type MergeRequest, type MergeResult, merge, mergingOf } from './merge.ts'
import { leavesOut, mergeFindings, mergeReportTables, mergeSummary } from './report.ts'
import { mergeSafely, type SafeMergeResult } from './safely.ts'

/** As `planRestore`, for what only a merge can be asked for. Throws `unsupported` for a source that can't be merged. */
export async function planMerge(workspace: Workspace, wish: RestoreWish, caller: Caller): Promise<RestorePlan> {
  refuseOtherParts(wish)
  const plan = await planRestore(workspace, { ...wish, strategy: 'merge' }, caller)
  await lookAround(workspace, caller, async run => {
    const { snapshot } = await chosenBy(workspace, plan, run)
    mergingOf(await sourceOfSnapshot(workspace, run, snapshot, plan.place.target))
  })
  return plan
}

function refuseOtherParts({ include = [], selection = {}, inPlace, own = {} }: RestoreWish): void {
  const refused = [
    ['include', include.length > 0],
    ['table', (selection.tables ?? []).length > 0],
    ['schema', (selection.schemas ?? []).length > 0],
    ['schema-only', selection.part === 'schema'],
    ['data-only', selection.part === 'data'],
    ['force', inPlace === true],
    ...Object.keys(own).map(key => [key, true] as const),
  ] as const
  const first = refused.find(([, isWanted]) => isWanted)
  if (first === undefined) return
  throw new AppError('usage', `--${first[0]} does not go with --strategy merge`, {
    hint: 'A merge takes all tables; leave some out with "restore: { merge: { tables: { NAME: { skip: true } } } }".',
  })
}

/** A missing target can't be merged into. */
export function requireMergeable(plan: RestorePlan): void {
  if (!plan.survey.exists) {
    throw new AppError('target-invalid', `there is nothing at ${plan.survey.place} to merge into`, {
      hint: 'Leave --strategy out to restore to it.',
    })
  }
  requirePossible(plan)
}

export interface Merged<Result extends MergeResult> {
  readonly plan: RestorePlan
  readonly result: Result
  readonly report: Report
}

/** What a merge would come to, to the row; it is done and taken back. */
export async function tryMerge(workspace: Workspace, plan: RestorePlan, caller: Caller): Promise<Merged<MergeResult>> {
  requireMergeable(plan)
  return await lookAround(workspace, caller, async run => {
    const result = await merge({ ...(await requestOf(workspace, plan, run)), dryRun: true })
    const report = mergeReport(plan, { run: plan.id, startedAt: plan.madeAt }, result)
    await keepReportOf(workspace, run, report)
    return { plan, result, report }
  })
}

/** Adds to what is at the target what only the recovery point has, so that it can be undone. The report is kept in any case. */
export async function mergeInto(
  workspace: Workspace,
  planned: RestorePlan,
  caller: Caller,
): Promise<Merged<SafeMergeResult>> {
  requireMergeable(planned)
  await thawForPlan(workspace, planned, caller)
  const plan = await renewPlan(workspace, planned, caller)
  requireMergeable(plan)
  return await runRecorded(workspace, caller, { operation: 'merge' }, async run => {
    const startedAt = workspace.clock.now()
    try {
      const result = await run.attempt(
        { operation: 'merge', source: plan.source, repository: plan.repository.name },
        async () =>
          mergeSafely({
            ...(await requestOf(workspace, plan, run)),
            places: restorePlacesOf(workspace, run),
            run: run.id,
            repositoryName: plan.repository.name,
            place: plan.survey.place,
          }),
        done => ({
          outcome: leavesOut(done) ? 'incomplete' : 'done',
          snapshot: plan.snapshot.id,
          statistics: countsOf(done),
          findings: done.findings,
        }),
      )
      const report = mergeReport(plan, { run: run.id, startedAt }, result)
      await keepReportOf(workspace, run, report)
      return { plan, result, report }
    } catch (error) {
      const failed = { run: run.id, startedAt, now: workspace.clock.now() }
      await keepReportOf(workspace, run, failureReport(plan, failed, error))
      throw error
    }
  })
}

async function requestOf(workspace: Workspace, plan: RestorePlan, run: Run): Promise<Omit<MergeRequest, 'dryRun'>> {
  const { wish, place } = plan
  const chosen = await chosenBy(workspace, plan, run)
  const source: Source = await sourceOfSnapshot(workspace, run, chosen.snapshot, place.target)
  const onProgress = ({ phase, table, done, tables }: MergeProgress): void =>
    run.tell({ kind: 'progress', progress: { label: `${phase} ${table}`, done, total: tables, unit: 'items' } })
  return {
    ...run,
    snapshot: await openSnapshotReader({ ...chosen, signal: run.signal }),
    source,
    target: place.target === workspace.ownPlace(source.name) ? undefined : place.target,
    database: wish.selection?.databases?.[0],
    rules: workspace.settings.sources.get(source.name)?.restore?.merge ?? NO_RULES,
    onProgress,
  }
}

function countsOf({ tables }: MergeResult): Readonly<Record<'added' | 'updated' | 'skipped', number>> {
  const sumOf = (name: 'added' | 'updated' | 'skipped'): number => tables.reduce((sum, table) => sum + table[name], 0)
  return { added: sumOf('added'), updated: sumOf('updated'), skipped: sumOf('skipped') }
}

function mergeReport(
  plan: RestorePlan,
  { run, startedAt }: { readonly run: string; readonly startedAt: Date },
  result: MergeResult & Partial<SafeMergeResult>,
): Report {
  const done = leavesOut(result) ? 'incomplete' : 'done'
  return {
    title: `merge into ${plan.source}`,
    outcome: result.dryRun ? 'planned' : done,
    verdict: result.dryRun
      ? `a merge would come to this: ${mergeSummary(result)}; nothing was changed`
      : mergeSummary(result),
    run,
    about: aboutPlan(plan, 'merge'),
    startedAt,
    durationMs: result.durationMs,
    facts: factsOf(plan),
    steps: result.steps ?? [],
    checks: [],
    tables: mergeReportTables(result),
    findings: result.findings ?? mergeFindings(result, plan.source),
    next: result.entry?.safety ? [{ command: undoCommand(result.entry), explains: 'puts back what was there' }] : [],
  }
}
