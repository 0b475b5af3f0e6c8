import type { PruneReport } from '../../repository/index.ts'
import { expireLogs } from '../logs/expire.ts'
import { type Caller, lookAround, type Run, runOnce } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'

export interface PruneWish {
  /** Its name in the configuration. */
  readonly repository: string
  readonly dryRun: boolean
  /** Unused space to tolerate, as a part of all. Default: 5 %. */
  readonly maxUnused?: number | undefined
  /** Packs to rewrite at most, in bytes. Default: without a limit. */
  readonly maxRepackBytes?: number | undefined
  /** See `RemoveOptions`. */
  readonly withoutLock?: boolean | undefined
  /** For a dry run after a dry forget: as if these were gone. */
  readonly withoutSnapshots?: readonly string[] | undefined
  readonly lockWaitMs?: number | undefined
}

export interface NamedPruneReport extends PruneReport {
  readonly repository: string
  /** Files of logs that no backup needs any more; absent where there is no log. */
  readonly log?: { readonly files: number; readonly bytes: number }
}

/** Frees the space of what no snapshot of a repository uses any more, and of its logs. */
export async function pruneRepository(
  workspace: Workspace,
  wish: PruneWish,
  caller: Caller,
): Promise<NamedPruneReport> {
  if (wish.dryRun) return await lookAround(workspace, caller, run => pruneAll(workspace, wish, run))
  return await runOnce(
    workspace,
    caller,
    { operation: 'prune', repository: wish.repository },
    run => pruneAll(workspace, wish, run),
    ({ findings, waiting, bytesBefore, bytesAfter, packsRemoved, packsRepacked }) => ({
      outcome: waiting === undefined ? 'done' : 'incomplete',
      statistics: { bytesBefore, bytesAfter, packsRemoved, packsRepacked },
      findings,
    }),
  )
}

async function pruneAll(
  workspace: Workspace,
  wish: PruneWish,
  { signal, tell, scratchDir }: Run,
): Promise<NamedPruneReport> {
  const { repository: name, ...options } = wish
  const { dryRun, withoutSnapshots } = options
  const repository = await workspace.repository(name)
  const report = await repository.prune({
    ...options,
    scratchDir,
    signal,
    onProgress: ({ step, ...progress }) =>
      tell({ kind: 'progress', progress: { label: `prune ${name}: ${step}`, ...progress } }),
  })
  const { found, files, bytes, findings } = await expireLogs(workspace, repository, {
    dryRun,
    withoutSnapshots,
    signal,
  })
  const all = [...report.findings, ...findings]
  return { ...report, repository: name, findings: all, ...(found ? { log: { files, bytes } } : {}) }
}
