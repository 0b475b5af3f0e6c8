import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { privateFolder } from '../../base/private-folder.ts'
import { formatSize } from '../../base/sizes.ts'
import type { Finding } from '../../model/finding.ts'
import type { Mask } from '../../model/masking/rules.ts'
import type { Report } from '../../model/report.ts'
import type { OnRestored, Source } from '../../sources/source.ts'
import { runAssertions } from '../assertions/run-assertions.ts'
import { keepReportOf } from '../report/keep.ts'
import type { ChosenSnapshot } from '../snapshots/choose-snapshot.ts'
import { helpedContents } from '../snapshots/helped-contents.ts'
import { sourceOfSnapshot } from '../snapshots/source-of-snapshot.ts'
import { type Caller, type RecordedRun, type Run, runRecorded } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { placesOf, type RestorePlan, renewPlan, reservedFor } from './plan.ts'
import { recoveryRequestOf } from './recovery.ts'
import type { RestoreOperationRequest } from './restore.ts'
import { restorePlacesOf } from './restore-places.ts'
import { failureReport, isWholly, restoreReport } from './restore-report.ts'
import { restoreSafely, type SafeRestoreRequest, type SafeRestoreResult } from './safely.ts'
import { requirePossible } from './survey.ts'
import { thawForPlan } from './thaw-for-plan.ts'
import { isWhole } from './wish.ts'

/** A restore that was carried out. */
export interface Restored {
  readonly plan: RestorePlan
  readonly result: SafeRestoreResult
  readonly report: Report
  /** It was a temporary copy, and is gone. */
  readonly removed: boolean
}

/**
 * Does what a plan says, so that it can be undone, and undoes it itself when it fails. The report is kept in any case.
 * Throws `plan-outdated` before anything is done, else as `restore` does, and says what is at the target.
 */
export async function carryOut(workspace: Workspace, planned: RestorePlan, caller: Caller): Promise<Restored> {
  requirePossible(planned)
  // Before it is looked whether the plan still holds: it may take hours.
  await thawForPlan(workspace, planned, caller)
  const plan = await renewPlan(workspace, planned, caller)
  requirePossible(plan)
  return await runRecorded(workspace, caller, { operation: 'restore' }, async run => {
    const startedAt = workspace.clock.now()
    try {
      return await restorePlanned(workspace, plan, run, startedAt)
    } catch (error) {
      const failed = { run: run.id, startedAt, now: workspace.clock.now() }
      await keepReportOf(workspace, run, failureReport(plan, failed, error))
      throw error
    }
  })
}

async function restorePlanned(
  workspace: Workspace,
  plan: RestorePlan,
  run: RecordedRun,
  startedAt: Date,
): Promise<Restored> {
  const { wish, place } = plan
  const chosen = await chosenBy(workspace, plan, run)
  const source = await sourceOfSnapshot(workspace, run, chosen.snapshot, place.target)
  await makeFolderOf(place, run)
  const result = await run.attempt(
    { operation: 'restore', source: source.name, repository: chosen.name },
    async () => restoreSafely(await requestOf(workspace, plan, run, chosen, source)),
    done => ({
      outcome: isWholly(done) ? 'done' : 'incomplete',
      snapshot: plan.snapshot.id,
      statistics: { files: done.files, totalBytes: done.totalBytes, writtenBytes: done.writtenBytes },
      findings: done.findings,
    }),
  )
  // A part that came back proves nothing of the rest, unchecked or masked data nothing at all, and what came from
  // elsewhere, or from the past, nothing of this repository.
  const { frozen } = chosen.repository
  if (
    isWhole(wish) &&
    !frozen &&
    !result.helped &&
    wish.checks !== false &&
    result.masked === undefined &&
    !result.leftOut
  ) {
    await workspace.catalog.saveProofs(chosen.repository.id, [plan.snapshot.id], 'restored', workspace.clock.now())
  }
  const removed = place.purpose === 'temporary' && wish.keep !== true
  if (removed) await source.targets.remove({ ...run, target: place.target })
  const report = restoreReport(plan, startedAt, result, removed)
  await keepReportOf(workspace, run, report)
  return { plan, result, report, removed }
}

/** The recovery point of a plan. `snapshot-not-found` when it was forgotten since. */
export async function chosenBy(workspace: Workspace, plan: RestorePlan, run: Run): Promise<ChosenSnapshot> {
  const { name } = plan.repository
  const repository = await workspace.repository(name)
  const snapshot = await repository.getSnapshot(plan.snapshot.id)
  const tell = (finding: Finding): void => run.tell({ kind: 'finding', finding })
  return {
    name,
    repository,
    snapshot,
    contents: helpedContents(workspace, { name, repository }, plan.wish.repository, tell),
  }
}

async function makeFolderOf({ target, scratch }: RestorePlan['place'], run: Run): Promise<void> {
  if (scratch === undefined) return
  await privateFolder(dirname(target))
  run.closeLater({ close: () => rm(scratch, { recursive: true, force: true }) })
}

async function requestOf(
  workspace: Workspace,
  plan: RestorePlan,
  run: Run,
  chosen: ChosenSnapshot,
  source: Source,
): Promise<SafeRestoreRequest> {
  const { wish, place, survey, strategy } = plan
  if (strategy === 'merge') throw new TypeError('a merge is carried out by mergeInto')
  return {
    ...(await wantedOf(workspace, plan, run, chosen, source)),
    places: restorePlacesOf(workspace, run),
    run: run.id,
    repositoryName: chosen.name,
    strategy,
    place: survey.place,
    existed: survey.exists,
    planned: placesOf(survey),
    delta: wish.delta !== false,
    reserved: reservedFor(workspace, place),
  }
}

async function wantedOf(
  workspace: Workspace,
  { wish, place, madeAt }: RestorePlan,
  run: Run,
  chosen: ChosenSnapshot,
  source: Source,
): Promise<Omit<RestoreOperationRequest, 'force' | 'delta' | 'beforeChange' | 'keepAs'>> {
  const { repository, contents, snapshot } = chosen
  const { moment } = wish
  return {
    ...run,
    repository,
    contents,
    snapshot,
    source,
    target: place.target,
    checks: wish.checks !== false,
    include: wish.include ?? [],
    selection: wish.selection,
    delete: wish.delete === true ? { spare: workspace.ownFolders, seenAt: madeAt } : undefined,
    recovery:
      moment && workspace.hasLog(source.name)
        ? await recoveryRequestOf(workspace, chosen, source.name, moment, run.signal)
        : undefined,
    mask: await maskFor(workspace, source.name, wish.mask, place.purpose),
    own: wish.own,
    onRestored: assertionsFor(workspace, run, source.name, { wish, place }),
    onProgress: now =>
      run.tell({
        kind: 'progress',
        progress: {
          label: `restore ${source.name}`,
          done: now.totalBytes,
          total: wish.include?.length ? undefined : now.sizeBytes,
          unit: 'bytes',
          details: [`${formatSize(now.writtenBytes)} written`],
        },
      }),
  }
}

/** Test copies are masked as the source says; others as whoever asks says. */
async function maskFor(
  workspace: Workspace,
  source: string,
  named: string | undefined,
  purpose: RestorePlan['place']['purpose'],
): Promise<Mask | undefined> {
  const configured = purpose === 'own' ? undefined : workspace.settings.sources.get(source)?.restore?.mask
  const file = named ?? configured
  return file === undefined ? undefined : await workspace.loadMask(file)
}

/** What the user says must hold is asked of test copies always, of others where it is wanted. */
function assertionsFor(
  { settings, commandPlace }: Workspace,
  { signal }: Run,
  source: string,
  { wish, place }: Pick<RestorePlan, 'wish' | 'place'>,
): OnRestored | undefined {
  const assertions = settings.sources.get(source)?.assertions ?? []
  const asks = (wish.verify === true || place.purpose !== 'own') && wish.checks !== false && isWhole(wish)
  if (!asks || assertions.length === 0) return undefined
  return copy => runAssertions(assertions, copy, { signal, place: commandPlace })
}
