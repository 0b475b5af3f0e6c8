import { type Caller, lookAround } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { judgeLocks, type LockReason, type LockVerdict } from './judge-locks.ts'

export interface CheckedLocks {
  readonly repository: string
  readonly verdict: LockVerdict
  /** Until when it is protected, if no backup extends that. */
  readonly until: Date | undefined
  readonly reasons: readonly LockReason[]
  /** What to do; empty where the backups are protected. */
  readonly advice: readonly string[]
}

/** Says whether who has the key of a repository's storage could destroy it, and how that is known. */
export async function checkLocks(workspace: Workspace, name: string, caller: Caller): Promise<CheckedLocks> {
  const examination = await lookAround(workspace, caller, async ({ signal }) =>
    (await workspace.repository(name)).examineLocks(signal),
  )
  const { verdict, reasons } = judgeLocks(examination)
  const until = verdict === 'protected' ? examination.locks?.sample?.firstEnd : undefined
  const advice = verdict === 'protected' ? [] : adviceFor(examination.locks)
  return { repository: name, verdict, until, reasons, advice }
}

function adviceFor(locks: { readonly advice: readonly string[] } | undefined): readonly string[] {
  return (
    locks?.advice ?? [
      'Copy to a second repository whose storage locks objects: a bucket of S3, Azure or Google Cloud ("lifeboat copy").',
    ]
  )
}
