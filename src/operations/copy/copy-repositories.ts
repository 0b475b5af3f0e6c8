import type { AppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import { labelsOf } from '../../model/recovery-point.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'
import { type Caller, lookAround, ordinary, type Run, runRecorded } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { type CopyResult, copyBetween } from './copy-between.ts'
import { type CopyJob, type CopyWish, copyJobsOf } from './copy-jobs.ts'

export type CopyAttempt = CopyJob & ({ readonly result: CopyResult } | { readonly error: AppError })

/**
 * Copies what other repositories lack: recovery points, their pins and logs. Nothing is ever deleted there: each
 * repository keeps things for as long as its own retention says. One that fails does not keep the others from it.
 */
export async function copyRepositories(
  workspace: Workspace,
  wish: CopyWish,
  caller: Caller,
): Promise<readonly CopyAttempt[]> {
  const jobs = copyJobsOf(workspace, wish)
  return await runRecorded(workspace, caller, { operation: 'copy' }, async run => {
    const attempts: CopyAttempt[] = []
    for (const job of jobs) {
      attempts.push(
        await tried(job, run, () =>
          run.attempt(
            { operation: 'copy', repository: job.to },
            async () => ({ ...job, result: await copyOne(workspace, job, run) }),
            ({ result }) => ({
              outcome: result.complete ? 'done' : 'incomplete',
              statistics: {
                copied: result.copied.length,
                present: result.present.length,
                leftOut: result.leftOut.length,
                bytesRead: result.bytesRead,
                bytesStored: result.bytesStored,
              },
              findings: result.findings,
            }),
          ),
        ),
      )
    }
    return attempts
  })
}

export type PlannedCopying = CopyJob &
  (
    | { readonly plan: { readonly missing: readonly Snapshot[]; readonly present: number; readonly bytes: number } }
    | { readonly error: AppError }
  )

/** What `copyRepositories` would bring, without logs. Changes nothing. */
export async function planCopying(
  workspace: Workspace,
  wish: CopyWish,
  caller: Caller,
): Promise<readonly PlannedCopying[]> {
  const jobs = copyJobsOf(workspace, wish)
  return await lookAround(workspace, caller, async run => {
    const planned: PlannedCopying[] = []
    for (const job of jobs) {
      planned.push(
        await tried(job, run, async () => {
          const { from, to, wanted } = await openJob(workspace, job)
          const { missing, present, bytes } = await to.planCopyFrom(from, wanted, { signal: run.signal })
          return { ...job, plan: { missing, present: present.length, bytes } }
        }),
      )
    }
    return planned
  })
}

async function tried<T>(job: CopyJob, { signal }: Run, work: () => Promise<T>): Promise<T | (CopyJob & Failure)> {
  try {
    return await work()
  } catch (error) {
    return { ...job, error: ordinary(signal, error) }
  }
}

interface Failure {
  readonly error: AppError
}

async function copyOne(workspace: Workspace, job: CopyJob, run: Run): Promise<CopyResult> {
  const { from, to, wanted, unread } = await openJob(workspace, job)
  const origin = { name: job.from, repository: from }
  const goal = { name: job.to, repository: to }
  const result = await copyBetween(workspace, { origin, goal, wanted, logsOf: job.sources }, run)
  const findings = [...unread, ...result.findings]
  return { ...result, findings, complete: result.complete && unread.every(({ severity }) => severity !== 'error') }
}

interface OpenedJob {
  readonly from: Repository
  readonly to: Repository
  readonly wanted: readonly Snapshot[]
  readonly unread: readonly Finding[]
}

async function openJob(workspace: Workspace, { from: origin, to: goal, sources }: CopyJob): Promise<OpenedJob> {
  const from = await workspace.repository(origin)
  const to = await workspace.repository(goal)
  const { snapshots, findings } = await from.listSnapshots()
  const isWanted = ({ tags }: Snapshot): boolean =>
    sources === undefined || sources.includes(labelsOf(tags).source ?? '')
  return { from, to, wanted: snapshots.filter(isWanted), unread: findings }
}
