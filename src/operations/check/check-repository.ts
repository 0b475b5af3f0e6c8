import type { ReadData } from '../../repository/index.ts'
import { thaw } from '../archive/archived.ts'
import { type Caller, lookAround, runOnce } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { type CheckResult, check } from './check.ts'

export interface NamedCheckResult extends CheckResult {
  readonly repository: string
}

export interface CheckWish {
  /** Its name in the configuration. */
  readonly repository: string
  readonly readData: ReadData
  /** Ask for packs that are archived first. `storage-archived` until they can be read. */
  readonly thaw?: boolean | undefined
  /** Wait for them. */
  readonly wait?: boolean | undefined
}

/** Checks that one repository is intact. */
export async function checkRepository(
  workspace: Workspace,
  { repository: name, readData, thaw: isThawed = false, wait = false }: CheckWish,
  caller: Caller,
): Promise<NamedCheckResult> {
  const { catalog, clock } = workspace
  if (isThawed) await thawAll(workspace, name, wait, caller)
  const result = await runOnce(
    workspace,
    caller,
    { operation: 'check', repository: name },
    async ({ signal, tell }) =>
      check({
        repository: await workspace.repository(name),
        catalog,
        clock,
        readData,
        signal,
        onProgress: ({ step, ...progress }) =>
          tell({ kind: 'progress', progress: { label: `check ${name}: ${step}`, ...progress } }),
      }),
    ({ whole, findings, snapshots, packs, packsRead, packsArchived, bytesRead }) => ({
      outcome: whole && (readData === 0 || packsArchived === 0) ? 'done' : 'incomplete',
      statistics: { snapshots, packs, packsRead, bytesRead },
      findings,
    }),
  )
  return { ...result, repository: name }
}

async function thawAll(workspace: Workspace, repository: string, wait: boolean, caller: Caller): Promise<void> {
  const { archive } = await workspace.repository(repository)
  if (archive === undefined) return
  await lookAround(workspace, caller, async run => {
    const packs = await archive.findAll(run.signal)
    await thaw({ repository, packs, archive, wait, again: 'Run the same command again then' }, run)
  })
}
