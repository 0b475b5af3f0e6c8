import type { ReadData } from '../../repository/index.ts'
import { type Caller, runOnce } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { type CheckResult, check } from './check.ts'

export interface NamedCheckResult extends CheckResult {
  readonly repository: string
}

/** Checks that one repository is intact. */
export async function checkRepository(
  workspace: Workspace,
  { repository: name, readData }: { readonly repository: string; readonly readData: ReadData },
  caller: Caller,
): Promise<NamedCheckResult> {
  const { catalog, clock } = workspace
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
    ({ whole, findings, snapshots, packs, packsRead, bytesRead }) => ({
      outcome: whole ? 'done' : 'incomplete',
      statistics: { snapshots, packs, packsRead, bytesRead },
      findings,
    }),
  )
  return { ...result, repository: name }
}
