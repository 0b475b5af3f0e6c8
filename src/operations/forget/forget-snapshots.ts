import { AppError } from '../../base/errors.ts'
import { describePin, keeps, type Pin } from '../../model/pin.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { RetentionRules } from '../../model/retention.ts'
import type { ChooseSnapshots } from '../../repository/index.ts'
import { listNeededSnapshots, type NeededSnapshot } from '../restore/needed-snapshots.ts'
import { type ChosenSnapshot, chooseSnapshot } from '../snapshots/choose-snapshot.ts'
import { repositoriesOf, repositoryNames, sourceNames } from '../workspace/names.ts'
import { type Caller, lookAround, type Run, runOnce } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import type { ForgetGroup, SourcePolicy } from './decide.ts'
import { type ForgetResult, forget, lockedFindings } from './forget.ts'

export interface ForgetWish {
  /** Default: all. */
  readonly sources?: readonly string[] | undefined
  /** Default: what the policies say. */
  readonly keep?: RetentionRules | undefined
  /** Only in this one. */
  readonly repository?: string | undefined
  readonly dryRun: boolean
  readonly lockWaitMs?: number | undefined
  /** See `RemoveOptions`. */
  readonly withoutLock?: boolean | undefined
}

type Doing = Pick<ForgetWish, 'dryRun' | 'lockWaitMs' | 'withoutLock'>

export interface Forgotten extends ForgetGroup {
  readonly repository: string
}

/** Of one repository. */
export interface ForgottenIn {
  readonly groups: readonly Forgotten[]
  /** That were to go, and that the storage does not let go of. */
  readonly locked: number
}

/** What is to be forgotten in one repository, by which rules. */
export interface ForgetTask {
  readonly repository: string
  readonly sources: readonly string[]
  readonly policies: readonly SourcePolicy[]
}

/** `usage` where no rule says what stays. */
export function forgetTasks(
  workspace: Pick<Workspace, 'settings'>,
  { sources: named = [], keep, repository: only }: ForgetWish,
): ForgetTask[] {
  const sources = sourceNames(workspace, named)
  const here = new Intl.DateTimeFormat().resolvedOptions().timeZone
  if (keep !== undefined) {
    const pairs = sources.flatMap(source => repositoriesOf(workspace, source, only).map(name => ({ source, name })))
    const byRepository = Map.groupBy(pairs, pair => pair.name)
    return [...byRepository].map(([repository, members]) => {
      const own = members.map(member => member.source)
      return { repository, sources: own, policies: [{ name: undefined, sources: own, keep, timezone: here }] }
    })
  }
  const tasks = repositoryNames(workspace, only).flatMap(repository => {
    const policies = [...workspace.settings.policies]
      .filter(([, policy]) => policy.repositories.includes(repository))
      .map(([name, policy]) => ({
        name,
        sources: policy.sources,
        keep: policy.keepIn?.[repository] ?? policy.keep,
        timezone: policy.timezone ?? here,
      }))
    const ruled = new Set(policies.flatMap(policy => (policy.keep === undefined ? [] : policy.sources)))
    const own = sources.filter(source => ruled.has(source))
    return own.length === 0 ? [] : [{ repository, sources: own, policies }]
  })
  if (tasks.length > 0) return tasks
  throw new AppError('usage', 'no rule says which snapshots to keep', {
    hint: 'Give at least one, like --keep-last 3 or --keep-daily 7, or "keep" in a policy of the source.',
  })
}

/** Drops the snapshots of a repository that no rule keeps. */
export async function forgetTask(
  workspace: Workspace,
  task: ForgetTask,
  doing: Doing,
  caller: Caller,
): Promise<ForgottenIn> {
  const { repository: name, sources, policies } = task
  const work = async ({ signal }: Run): Promise<ForgetResult> => {
    const repository = await workspace.repository(name)
    return await forget({
      ...doing,
      repository,
      proofs: await workspace.catalog.listProofs(repository.id),
      sources,
      policies,
      needed: await neededIn(workspace, name),
      hostname: workspace.host.hostname,
      clock: workspace.clock,
      signal,
      // Once a repository, after all its tasks.
      prune: undefined,
    })
  }
  const {
    groups,
    locked,
    findings: told,
  } = doing.dryRun
    ? await lookAround(workspace, caller, work)
    : await runOnce(
        workspace,
        caller,
        { operation: 'forget', repository: name },
        work,
        ({ removed, locked: left }) => ({
          outcome: left === 0 ? 'done' : 'incomplete',
          statistics: { removed },
          findings: [],
        }),
      )
  for (const finding of told) caller.onEvent?.({ kind: 'finding', finding })
  return { groups: groups.map(group => ({ ...group, repository: name })), locked }
}

/** The snapshots that ids name, by repository. `snapshot-not-found`, `ambiguous-id`. */
export async function findNamed(
  workspace: Workspace,
  ids: readonly string[],
  only: string | undefined,
  caller: Caller,
): Promise<ReadonlyMap<string, readonly ChosenSnapshot[]>> {
  const choices = ids.map(prefix => ({ source: undefined, wish: { kind: 'id', prefix }, repository: only }) as const)
  const chosen = await Promise.all(
    choices.map(choice => chooseSnapshot(workspace, choice, finding => caller.onEvent?.({ kind: 'finding', finding }))),
  )
  return Map.groupBy(chosen, each => each.name)
}

/** Drops snapshots of one repository that were named, whatever the rules say and whoever wrote them; but not pinned ones. */
export async function forgetNamed(
  workspace: Workspace,
  name: string,
  members: readonly ChosenSnapshot[],
  { dryRun, lockWaitMs, withoutLock }: Doing,
  caller: Caller,
): Promise<ForgottenIn> {
  const repository = await workspace.repository(name)
  await refuseNeeded(workspace, name, members)
  const remove = [...new Map(members.map(({ snapshot }) => [snapshot.id, snapshot])).values()]
  const ids = remove.map(({ id }) => id)
  const choose: ChooseSnapshots = (_, pins) => {
    refusePinned(ids, pins, workspace.clock.now())
    return ids
  }
  choose([], (await repository.listPins()).pins)
  const locked = dryRun
    ? []
    : await runOnce(
        workspace,
        caller,
        { operation: 'forget', repository: name },
        ({ signal }) => repository.removeSnapshots(choose, { signal, lockWaitMs, withoutLock }),
        left => ({
          outcome: left.length === 0 ? 'done' : 'incomplete',
          statistics: { removed: ids.length - left.length },
          findings: lockedFindings(left),
        }),
      )
  for (const finding of lockedFindings(locked)) caller.onEvent?.({ kind: 'finding', finding })
  const gone = remove.filter(({ id }) => !locked.some(each => each.id === id))
  const judged = gone.map(snapshot => ({ snapshot, reasons: ['named'] }))
  return { groups: [{ repository: name, group: 'named', keep: [], remove: judged }], locked: locked.length }
}

/** What restores from here still need of a repository. */
async function neededIn({ journal, clock }: Workspace, repository: string): Promise<readonly NeededSnapshot[]> {
  const needed = listNeededSnapshots(await journal.list(), clock.now())
  return needed.filter(each => each.repository === repository)
}

/** Whoever pinned it meant that nobody should drop it by mistake. */
function refusePinned(ids: readonly string[], pins: readonly Pin[], now: Date): void {
  const pin = pins.find(each => ids.includes(each.snapshot) && keeps(each, now))
  if (pin === undefined) return
  const id = pin.snapshot.slice(0, SHORT_ID_DIGITS)
  throw new AppError('usage', `snapshot ${id} is ${describePin(pin)}`, {
    hint: `Nothing was dropped. Run "lifeboat unpin ${id}" first if it may go.`,
  })
}

/** Named by its id, a snapshot goes whatever keeps it; but not from under a restore that has not ended. */
async function refuseNeeded(
  workspace: Workspace,
  repository: string,
  members: readonly ChosenSnapshot[],
): Promise<void> {
  for (const { snapshot, reason, unfinished } of await neededIn(workspace, repository)) {
    if (!unfinished || !members.some(member => member.snapshot.id === snapshot)) continue
    throw new AppError('usage', `snapshot ${snapshot.slice(0, SHORT_ID_DIGITS)} is ${reason}`, {
      hint: 'Let that restore come to its end first: "lifeboat undo --list" shows it.',
    })
  }
}
