import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import { AppError } from '../../base/errors.ts'
import { ownerName } from '../../base/process-life.ts'
import { isSamePath } from '../../base/real-path.ts'
import type { Finding } from '../../model/finding.ts'
import type { Incomplete } from '../../model/incomplete.ts'
import type { TargetSurvey } from '../../sources/source.ts'
import { archivedFinding } from '../archive/archived.ts'
import type { ChosenSnapshot } from '../snapshots/choose-snapshot.ts'
import { helpedContents } from '../snapshots/helped-contents.ts'
import { sourceOfSnapshot } from '../snapshots/source-of-snapshot.ts'
import { type Caller, lookAround, type Run } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import type { Account } from './account.ts'
import type { Strategy } from './journal.ts'
import { lookForArchived } from './look-for-archived.ts'
import { choosePoint } from './recovery.ts'
import { URL_FORM } from './reserved.ts'
import { surveyRestore } from './survey.ts'
import { placeOf, requireTestPlace, type TargetPlace } from './target-place.ts'
import { type RestoreWish, strategyOf } from './wish.ts'

/**
 * What a restore would do, and to what: plain data, that can be shown, kept, sent, and carried out later if what it was made
 * of still holds: see `parseRestorePlan`. The target may hold a password: what is to be shown takes `survey.place`.
 */
export interface RestorePlan {
  readonly format: 1
  readonly id: string
  readonly madeAt: Date
  /** The process that made it: what only it can see is only there for it. */
  readonly madeBy: string
  readonly wish: RestoreWish
  /** Name of the source that the recovery point is of, as far as it says one. */
  readonly source: string
  readonly kind: string
  /** Name and id of the repository. */
  readonly repository: { readonly name: string; readonly id: string }
  readonly snapshot: { readonly id: string; readonly time: Date }
  readonly place: TargetPlace
  readonly strategy: Strategy
  /** What is at the target. */
  readonly survey: Pick<TargetSurvey, 'place' | 'places' | 'exists'>
  /** What the recovery point lacks of what is wanted. */
  readonly incomplete: Incomplete | undefined
  readonly account: Account
  /** Everything worth knowing before; those of severity `error` forbid it. */
  readonly findings: readonly Finding[]
  /** Tells what the configuration says of this restore from anything else that it could say. Made from no secret. */
  readonly settings: string
}

/** Looks at the target and at what would come, and changes nothing. Throws `usage`, `snapshot-not-found`, `target-invalid`, ... */
export async function planRestore(workspace: Workspace, wish: RestoreWish, caller: Caller): Promise<RestorePlan> {
  return await lookAround(workspace, caller, async run => {
    const chosen = await choosePoint(workspace, wish, run)
    return await planOf(workspace, wish, run, chosen, await placeOf(workspace, wish, run.id))
  })
}

async function planOf(
  workspace: Workspace,
  wish: RestoreWish,
  run: Run,
  chosen: ChosenSnapshot,
  place: TargetPlace,
): Promise<RestorePlan> {
  const { name, repository, contents, snapshot } = chosen
  // Before the look: what comes while it lasts was not seen.
  const madeAt = workspace.clock.now()
  const source = await sourceOfSnapshot(workspace, run, snapshot, place.target)
  workspace.requireOwnOptions(source.kind, wish.own ?? {})
  const strategy = strategyOf(wish, source, place.target)
  const archived = await lookForArchived(chosen, wish, run)
  const survey = await surveyRestore({
    ...run,
    contents,
    snapshot,
    source,
    target: place.target,
    strategy,
    selection: wish.selection,
    own: wish.own,
    delta: wish.delta !== false,
    include: wish.include ?? [],
    reserved: reservedFor(workspace, place),
    delete: wish.delete === true ? { spare: workspace.ownFolders, seenAt: undefined } : undefined,
    stopsApplication: await stopsApplication(workspace, source.name, place.target),
    comparesRows:
      archived.packs.length === 0 &&
      wish.account !== 'counts' &&
      strategy !== 'merge' &&
      place.purpose === 'own' &&
      wish.mask === undefined,
  })
  if (place.purpose === 'test') {
    for (const each of placesOf(survey.survey)) await requireTestPlace(workspace, source.name, each)
  }
  const { place: shown, places, exists } = survey.survey
  if (wish.to === undefined && place.purpose === 'own') await requireOwnPlace(place.target, shown)
  return {
    format: 1,
    id: run.id,
    madeAt,
    madeBy: ownerName(),
    wish,
    source: source.name,
    kind: source.kind,
    repository: { name, id: repository.id },
    snapshot: { id: snapshot.id, time: snapshot.time },
    place,
    strategy,
    survey: { place: shown, places, exists },
    incomplete: survey.incomplete,
    account: survey.account,
    findings: [...survey.findings, ...(archived.packs.length === 0 ? [] : [archivedFinding(archived)])],
    settings: fingerprint(workspace, source.name),
  }
}

/** Whoever names a folder means a file in it; the application looks for its file at its place. */
async function requireOwnPlace(own: string, shown: string): Promise<void> {
  if (URL_FORM.test(own) || !(await isSamePath(dirname(shown), own))) return
  throw new AppError('target-invalid', `${own} is a folder, where a file was captured`, {
    hint: `A container engine makes such a folder where a file that it mounts is missing. Stop the container, run "rmdir ${own}", then try again. Or choose another place with --to.`,
  })
}

/** All that a restore may change. */
export function placesOf({ place, places = [place] }: RestorePlan['survey']): readonly string[] {
  return places
}

/** Our own folders are nobody's to restore into, but our own temporary copies are there. */
export function reservedFor(workspace: Workspace, { purpose }: TargetPlace): readonly string[] {
  return purpose === 'temporary' ? [] : workspace.ownFolders
}

async function stopsApplication(workspace: Workspace, source: string, target: string): Promise<boolean> {
  const before = workspace.settings.sources.get(source)?.restore?.before
  return before !== undefined && (await workspace.isOwnPlace(source, target))
}

/** What was seen so short ago is as good as seen now. */
const FRESH_MS = 60_000

/**
 * The plan as things are now: the same, or made anew where time has passed or another process made it. Throws
 * `plan-outdated`, saying what changed, where it would not be the same.
 */
export async function renewPlan(workspace: Workspace, plan: RestorePlan, caller: Caller): Promise<RestorePlan> {
  const ageMs = workspace.clock.now().getTime() - plan.madeAt.getTime()
  if (plan.madeBy === ownerName() && ageMs >= 0 && ageMs < FRESH_MS) return plan
  if (fingerprint(workspace, plan.source) !== plan.settings) {
    throw outdated(`the configuration of source ${plan.source} has changed`)
  }
  const repository = await workspace.repository(plan.repository.name)
  if (repository.id !== plan.repository.id) throw outdated(`repository ${plan.repository.name} is another one`)
  const snapshot = await repository.getSnapshot(plan.snapshot.id)
  const renewed = await lookAround(workspace, caller, async run => {
    const found = { name: plan.repository.name, repository }
    const contents = helpedContents(workspace, found, plan.wish.repository, finding =>
      run.tell({ kind: 'finding', finding }),
    )
    const chosen = { ...found, contents, snapshot }
    return await planOf(workspace, plan.wish, run, chosen, await placeOf(workspace, plan.wish, run.id))
  })
  requireSame(plan, renewed)
  // What came since the person saw it is not theirs to have removed.
  return plan.madeAt < renewed.madeAt ? { ...renewed, madeAt: plan.madeAt } : renewed
}

function requireSame(plan: RestorePlan, renewed: RestorePlan): void {
  const { place, exists } = plan.survey
  // A temporary place is another one for each run.
  if (renewed.place.purpose !== 'temporary') {
    if (renewed.place.target !== plan.place.target) throw outdated(`it would go to ${renewed.survey.place} now`)
    if (renewed.survey.exists !== exists) {
      throw outdated(exists ? `${place} is not there any more` : `something came to ${place}`)
    }
    const [before, now] = [placesOf(plan.survey), placesOf(renewed.survey)].map(places => places.join(', '))
    if (before !== now) throw outdated(`it would change ${now} now, and not ${before}`)
  }
  if (renewed.strategy !== plan.strategy) throw outdated(`the strategy would be ${renewed.strategy} now`)
}

function outdated(what: string): AppError {
  return new AppError('plan-outdated', `the plan does not hold any more: ${what}`, {
    hint: 'Nothing was changed. Make a new plan, look at it, then carry that one out.',
  })
}

function fingerprint(workspace: Workspace, source: string): string {
  const { kind, restore, assertions } = workspace.settings.sources.get(source) ?? {}
  const text = JSON.stringify([kind, restore, assertions, workspace.ownPlace(source)])
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
