import { allDone } from '../../base/concurrency.ts'
import { AppError, isAppError, throwIfAborted } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import type { BackupType } from '../../model/manifest.ts'
import type { ProgressState } from '../../model/progress.ts'
import { policyTag } from '../../model/recovery-point.ts'
import type { PolicySettings } from '../../model/settings.ts'
import type { Source } from '../../sources/source.ts'
import { rebuildFromSnapshots } from '../runs/rebuild.ts'
import { type Copy, isVerificationDue } from '../verify/due.ts'
import { prove, type Verified } from '../verify/prove.ts'
import { getPolicy, repositoriesOf, requireSource, sourceNames } from '../workspace/names.ts'
import { type Caller, type RecordedRun, runRecorded } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { type BackupProgress, type BackupResult, backup } from './backup.ts'

/** What is to be backed up, and to where. */
export interface BackupWish {
  /** Names; default: all. */
  readonly sources?: readonly string[] | undefined
  /** For this policy: its sources, repositories, type and retention. */
  readonly policy?: string | undefined
  /** Only to this one. */
  readonly repository?: string | undefined
  /** Default: the policy's, else `incremental`. */
  readonly type?: BackupType | undefined
  readonly tags?: readonly string[] | undefined
}

export interface BackupOutcome {
  /** Id of the run. */
  readonly run: string
  readonly attempts: readonly BackupAttempt[]
}

/** One source to one repository: what came of it, or why it could not be done. */
export type BackupAttempt = Copy & (BackedUp | { readonly error: AppError })

export interface BackedUp {
  readonly result: BackupResult
  /** Where a policy asked for it: what came of it, or why it could not be tried. */
  readonly verification: Verified | AppError | undefined
}

const DEFAULT_TYPE: BackupType = 'incremental'

/** Which copies a wish means, in the order in which they are made. `usage` for names that are not there. */
export function copiesOf(workspace: Workspace, wish: BackupWish): readonly Copy[] {
  const { sources: named = [], repository: only } = wish
  if (wish.policy === undefined) {
    return sourceNames(workspace, named).flatMap(source =>
      repositoriesOf(workspace, source, only).map(repository => ({ source, repository })),
    )
  }
  const { sources, repositories } = getPolicy(workspace, wish.policy)
  for (const name of named) requireSource(workspace, name)
  const copies = sources
    .filter(source => named.length === 0 || named.includes(source))
    .flatMap(source => repositories.map(repository => ({ source, repository })))
    .filter(({ repository }) => only === undefined || repository === only)
  if (copies.length > 0) return copies
  throw new AppError('usage', `policy ${wish.policy} has nothing to do with what you named`, {
    hint: `It takes ${sources.join(', ')} to ${repositories.join(', ')}.`,
  })
}

/**
 * Backs up one source after the other, each to its repositories, and verifies what a policy wants verified. One that fails
 * does not keep the others from being saved. Throws `usage`, `interrupted`.
 */
export async function backUp(workspace: Workspace, wish: BackupWish, caller: Caller): Promise<BackupOutcome> {
  const copies = copiesOf(workspace, wish)
  return await runRecorded(workspace, caller, { operation: 'backup', policy: wish.policy }, async run => {
    const attempts: BackupAttempt[] = []
    for (const copy of copies) attempts.push(await attempt(workspace, wish, copy, run, caller))
    return { run: run.id, attempts }
  })
}

async function attempt(
  workspace: Workspace,
  wish: BackupWish,
  copy: Copy,
  run: RecordedRun,
  caller: Caller,
): Promise<BackupAttempt> {
  try {
    const result = await run.attempt(
      { operation: 'backup', ...copy },
      () => saveOne(workspace, wish, copy, run),
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
  const policies = policiesFor(workspace, wish, copy)
  const rule = policies.find(([, policy]) => policy.verify !== undefined)?.[1].verify
  if (rule === undefined) return undefined
  try {
    if (!(await isVerificationDue(workspace.catalog, copy, rule, workspace.clock.now()))) return undefined
    const repository = await workspace.repository(copy.repository)
    return await prove(workspace, { name: copy.repository, repository, snapshot }, rule.level, caller)
  } catch (error) {
    return ordinary(caller.signal ?? new AbortController().signal, error)
  }
}

/** Those whose settings count: the one that was named alone, if one was. */
function policiesFor(
  { settings }: Workspace,
  wish: BackupWish,
  { source, repository }: Copy,
): ReadonlyArray<readonly [name: string, policy: PolicySettings]> {
  if (wish.policy !== undefined) return [[wish.policy, getPolicy({ settings }, wish.policy)]]
  return [...settings.policies].filter(
    ([, policy]) => policy.sources.includes(source) && policy.repositories.includes(repository),
  )
}

/** Which policies judge how long it stays: the one that was named, else those that take backups of this type. */
function policyTagsOf(workspace: Workspace, wish: BackupWish, copy: Copy, type: BackupType): string[] {
  return policiesFor(workspace, wish, copy)
    .filter(([, policy]) => wish.policy !== undefined || (policy.type ?? DEFAULT_TYPE) === type)
    .map(([name]) => policyTag(name))
}

async function saveOne(workspace: Workspace, wish: BackupWish, copy: Copy, run: RecordedRun): Promise<BackupResult> {
  // The password's derivation alone takes as long as all the rest.
  const [source, repository] = await allDone(
    openAhead(workspace, copy.source, run),
    workspace.repository(copy.repository),
  )
  await rebuildFromSnapshots(workspace, copy, repository)
  const ofPolicy = policiesFor(workspace, wish, copy).find(([, policy]) => policy.type !== undefined)?.[1].type
  const type = wish.type ?? ofPolicy ?? DEFAULT_TYPE
  return await backup({
    ...run,
    source,
    repository,
    type,
    runId: run.id,
    tags: [...policyTagsOf(workspace, wish, copy, type), ...(wish.tags ?? [])],
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
