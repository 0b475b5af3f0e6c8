import { allDone } from '../../base/concurrency.ts'
import { AppError, isAppError, throwIfAborted } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import type { ProgressState } from '../../model/progress.ts'
import { policyTag } from '../../model/recovery-point.ts'
import type { Source } from '../../sources/source.ts'
import { rebuildFromSnapshots } from '../runs/rebuild.ts'
import { type Copy, isVerificationDue } from '../verify/due.ts'
import { prove, type Verified } from '../verify/prove.ts'
import { type Caller, type RecordedRun, runRecorded } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { type BackupProgress, type BackupResult, backup } from './backup.ts'
import { type BackupWish, copiesOf, policyNamesOf, typeOf, verificationRuleOf } from './copies.ts'
import { type HookFailure, PolicyHooks } from './policy-hooks.ts'

export interface BackupOutcome {
  /** Id of the run. */
  readonly run: string
  readonly attempts: readonly BackupAttempt[]
  /** Hooks of policies that failed. */
  readonly hooks: readonly HookFailure[]
}

/** One source to one repository: what came of it, or why it could not be done. */
export type BackupAttempt = Copy & (BackedUp | { readonly error: AppError })

export interface BackedUp {
  readonly result: BackupResult
  /** Where a policy asked for it: what came of it, or why it could not be tried. */
  readonly verification: Verified | AppError | undefined
}

/**
 * Backs up one source after the other, each to its repositories, and verifies what a policy wants verified, between the
 * hooks of the policies. One that fails does not keep the others from being saved. Throws `usage`, `interrupted`.
 */
export async function backUp(workspace: Workspace, wish: BackupWish, caller: Caller): Promise<BackupOutcome> {
  const copies = copiesOf(workspace, wish)
  return await runRecorded(workspace, caller, { operation: 'backup', policy: wish.policy }, async run => {
    const planned = copies.map(copy => ({ copy, policies: policyNamesOf(workspace, wish, copy) }))
    const counts = Map.groupBy(
      planned.flatMap(({ policies }) => policies),
      policy => policy,
    )
    const hooks = new PolicyHooks(workspace, run, new Map([...counts].map(([name, each]) => [name, each.length])))
    const attempts: BackupAttempt[] = []
    try {
      for (const { copy, policies } of planned) {
        const blocked = await hooks.begin(policies)
        const made = await attempt(workspace, wish, copy, { run, caller, blocked })
        attempts.push(made)
        await hooks.end(policies, failureOf(made))
      }
    } catch (error) {
      await hooks.breakOff(error).catch(() => undefined)
      throw error
    }
    return { run: run.id, attempts, hooks: hooks.failures }
  })
}

/** What whoever is told of failures wants to know of this copy: it was not made, or did not pass its verification. */
function failureOf(made: BackupAttempt): AppError | undefined {
  if ('error' in made) return made.error
  const { verification } = made
  if (verification === undefined || verification instanceof AppError) return verification
  if (verification.result.passed) return undefined
  const { source, repository } = made
  return new AppError('verification-failed', `the backup of ${source} in ${repository} did not pass its verification`)
}

interface Attempting {
  readonly run: RecordedRun
  readonly caller: Caller
  /** Why it is not made: a hook failed. */
  readonly blocked: AppError | undefined
}

async function attempt(
  workspace: Workspace,
  wish: BackupWish,
  copy: Copy,
  { run, caller, blocked }: Attempting,
): Promise<BackupAttempt> {
  try {
    const result = await run.attempt(
      { operation: 'backup', ...copy },
      async () => {
        if (blocked !== undefined) throw blocked
        return await saveOne(workspace, wish, copy, run)
      },
      ({ complete, snapshot, findings, files, sizeBytes, bytesRead, bytesNew, bytesStored }) => ({
        outcome: complete ? 'done' : 'incomplete',
        snapshot: snapshot.id,
        statistics: { files, sizeBytes, bytesRead, bytesNew, bytesStored },
        findings,
      }),
    )
    return { ...copy, result, verification: await verifyIfDue(workspace, wish, copy, result, caller) }
  } catch (error) {
    return { ...copy, error: ordinary(run.signal, error) }
  }
}

/** What may happen to one and must not stop the others; anything else is thrown. */
function ordinary(signal: AbortSignal, error: unknown): AppError {
  throwIfAborted(signal)
  if (!(error instanceof AppError) || isAppError(error, 'interrupted')) throw error
  return error
}

/** The backup is there, whatever comes of this. A run of its own, with a report of its own. */
async function verifyIfDue(
  workspace: Workspace,
  wish: BackupWish,
  copy: Copy,
  { snapshot }: BackupResult,
  caller: Caller,
): Promise<BackedUp['verification']> {
  const rule = verificationRuleOf(workspace, wish, copy)
  if (rule === undefined) return undefined
  try {
    if (!(await isVerificationDue(workspace.catalog, copy, rule, workspace.clock.now()))) return undefined
    const repository = await workspace.repository(copy.repository)
    return await prove(workspace, { name: copy.repository, repository, snapshot }, rule.level, caller)
  } catch (error) {
    return ordinary(caller.signal ?? new AbortController().signal, error)
  }
}

async function saveOne(workspace: Workspace, wish: BackupWish, copy: Copy, run: RecordedRun): Promise<BackupResult> {
  // The password's derivation alone takes as long as all the rest.
  const [source, repository] = await allDone(
    openAhead(workspace, copy.source, run),
    workspace.repository(copy.repository),
  )
  await rebuildFromSnapshots(workspace, copy, repository)
  return await backup({
    ...run,
    source,
    repository,
    type: typeOf(workspace, wish, copy),
    runId: run.id,
    tags: [...policyNamesOf(workspace, wish, copy).map(policyTag), ...(wish.tags ?? [])],
    host: workspace.host,
    programVersion: workspace.programVersion,
    configuration: workspace.keptConfiguration(copy.repository),
    excludePaths: workspace.ownFolders,
    onProgress: progress => run.tell({ kind: 'progress', progress: shown(copy, progress) }),
  })
}

async function openAhead(workspace: Workspace, name: string, { signal }: RecordedRun): Promise<Source> {
  const source = await workspace.source(name)
  source.prepareCapture?.({ signal })
  return source
}

function shown({ source }: Copy, progress: BackupProgress): ProgressState {
  return {
    label: `backup ${source}`,
    done: progress.bytesRead,
    total: progress.totalBytes,
    unit: 'bytes',
    details: [filesOf(progress), `${formatSize(progress.bytesNew)} new`],
  }
}

/** While the end of the walk is not known, the last snapshot tells how far it may be. */
function filesOf({ files, filesBefore = 0, totalBytes }: BackupProgress): string {
  const about = totalBytes === undefined && filesBefore > files ? ` of about ${filesBefore}` : ''
  return `${files}${about} ${files === 1 && about === '' ? 'file' : 'files'}`
}
