import { AppError } from '../../base/errors.ts'
import type { Snapshot } from '../../repository/index.ts'
import type { CopyAttempt } from '../copy/copy-repositories.ts'
import { type Copy, isVerificationDue } from '../verify/due.ts'
import { prove, type Verified } from '../verify/prove.ts'
import { unlessSilent } from '../workspace/patience.ts'
import { type Caller, ordinary, type RecordedRun, runRecorded } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import type { BackupResult } from './backup.ts'
import { type CapturedPoint, capturePoint } from './capture-point.ts'
import { type BackupWish, pointsOf, policiesOfPoint, policyNamesOf, verificationRuleOf } from './copies.ts'
import { type HookFailure, PolicyHooks } from './policy-hooks.ts'
import { spreadPoints } from './spread.ts'

export interface BackupOutcome {
  /** Id of the run. */
  readonly run: string
  readonly attempts: readonly BackupAttempt[]
  /** What was brought from one repository to another: this backup's points, and those that one fell behind with before. */
  readonly copies: readonly CopyAttempt[]
  /** Hooks of policies that failed. */
  readonly hooks: readonly HookFailure[]
}

/**
 * One source and one repository: what was captured into it, what came there from the one that was captured into, or why
 * it does not have it (`copy-later`: only not yet).
 */
export type BackupAttempt = Copy & (BackedUp | Arrived | { readonly error: AppError })

export interface BackedUp extends Proven {
  readonly result: BackupResult
}

export interface Arrived extends Proven {
  /** The repository that it was captured into. */
  readonly from: string
  readonly snapshot: Snapshot
}

interface Proven {
  /** Where a policy asked for it: what came of it, or why it could not be tried. */
  readonly verification: Verified | AppError | undefined
}

/**
 * Backs up one source after the other, each captured once, between the hooks of the policies; then brings what was
 * captured to the other repositories, and verifies what a policy wants verified in each. One source or repository that
 * fails does not keep the others from being saved. Throws `usage`, `interrupted`.
 */
export async function backUp(workspace: Workspace, wish: BackupWish, caller: Caller): Promise<BackupOutcome> {
  const points = pointsOf(workspace, wish).map(point => ({ point, policies: policiesOfPoint(workspace, wish, point) }))
  return await runRecorded(workspace, caller, { operation: 'backup', policy: wish.policy }, async run => {
    const counts = Map.groupBy(
      points.flatMap(({ policies }) => policies),
      policy => policy,
    )
    const hooks = new PolicyHooks(workspace, run, new Map([...counts].map(([name, each]) => [name, each.length])))
    const working = { workspace, wish, run, caller, hooks, lost: new Map<string, AppError>() }
    const captured: CapturedPoint[] = []
    const attempts: BackupAttempt[] = []
    try {
      for (const { point, policies } of points) {
        const blocked = await hooks.begin(policies)
        const made = await capturePoint(workspace, wish, point, { run, blocked, lost: working.lost })
        const ended = 'failed' in made ? made.failed : [await proven(working, made)]
        attempts.push(...ended)
        if ('result' in made) captured.push(made)
        await hooks.end(
          policies,
          ended.map(failureOf).find(error => error !== undefined),
        )
      }
    } catch (error) {
      await hooks.breakOff(error).catch(() => undefined)
      throw error
    }
    const { arrived, copies } = await spreadProven(working, captured)
    return { run: run.id, attempts: [...attempts, ...arrived], copies, hooks: hooks.failures }
  })
}

interface Working {
  readonly workspace: Workspace
  readonly wish: BackupWish
  readonly run: RecordedRun
  readonly caller: Caller
  readonly hooks: PolicyHooks
  readonly lost: Map<string, AppError>
}

async function proven(working: Working, { point, repository, result }: CapturedPoint): Promise<Copy & BackedUp> {
  const copy = { source: point.source, repository }
  return { ...copy, result, verification: await verifyIfDue(working, copy, result.snapshot) }
}

async function spreadProven(
  working: Working,
  captured: readonly CapturedPoint[],
): Promise<{ readonly arrived: readonly BackupAttempt[]; readonly copies: readonly CopyAttempt[] }> {
  const { workspace, wish, run, hooks } = working
  const { arrivals, copies } = await spreadPoints(workspace, wish, captured, working)
  const arrived: BackupAttempt[] = []
  for (const arrival of arrivals) {
    const { source, repository } = arrival
    const verify = (snapshot: Snapshot): Promise<Proven['verification']> =>
      unlessSilent(workspace, [repository], run.signal, () => verifyIfDue(working, { source, repository }, snapshot))
    const made = 'error' in arrival ? arrival : { ...arrival, verification: await verify(arrival.snapshot) }
    arrived.push(made)
    const failure = failureOf(made)
    if (failure !== undefined) await hooks.fellBehind(policyNamesOf(workspace, wish, arrival), failure)
  }
  return { arrived, copies }
}

/** What whoever is told of failures wants to know of this copy: it was not made, or did not pass its verification. */
function failureOf(made: BackupAttempt): AppError | undefined {
  if ('error' in made) return made.error
  const { verification, source, repository } = made
  if (verification === undefined || verification instanceof AppError) return verification
  if (verification.result.passed) return undefined
  return new AppError('verification-failed', `the backup of ${source} in ${repository} did not pass its verification`)
}

/** The backup is there, whatever comes of this. A run of its own, with a report of its own. */
async function verifyIfDue(
  { workspace, wish, run, caller }: Working,
  copy: Copy,
  snapshot: Snapshot,
): Promise<Proven['verification']> {
  const rule = verificationRuleOf(workspace, wish, copy)
  if (rule === undefined) return undefined
  try {
    if (!(await isVerificationDue(workspace.catalog, copy, rule, workspace.clock.now()))) return undefined
    const repository = await workspace.repository(copy.repository)
    return await prove(workspace, { name: copy.repository, repository, snapshot }, rule.level, caller)
  } catch (error) {
    return ordinary(run.signal, error)
  }
}
