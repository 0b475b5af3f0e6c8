import { AppError } from '../../base/errors.ts'
import type { JobRecord } from '../../catalog/catalog.ts'
import { backupJob } from '../../model/schedule-of-policy.ts'
import type { Workspace } from '../workspace/workspace.ts'

/** A pause ends by itself: a forgotten one would be a backup that never comes. */
export const LONGEST_PAUSE_DAYS = 90
const DAY_MS = 86_400_000

export interface PauseWish {
  /** Undefined: all that happens by itself. */
  readonly policy: string | undefined
  readonly until: Date
}

/** Nothing of it starts before then; what runs goes on. Gives the jobs. `usage` for a name or a time that cannot be. */
export async function pause(workspace: Workspace, { policy, until }: PauseWish): Promise<JobRecord[]> {
  const now = workspace.clock.now().getTime()
  if (until.getTime() <= now) throw new AppError('usage', `--until ${until.toISOString()} is in the past`)
  if (until.getTime() > now + LONGEST_PAUSE_DAYS * DAY_MS) {
    throw new AppError('usage', `a pause ends after ${LONGEST_PAUSE_DAYS} days at most`, {
      hint: 'To stop a policy for good, take its schedule out of the configuration.',
    })
  }
  return await setPause(workspace, policy, until)
}

/** What was missed meanwhile runs once, at the next tick. */
export async function resume(workspace: Workspace, policy: string | undefined): Promise<JobRecord[]> {
  return await setPause(workspace, policy, undefined)
}

async function setPause(
  workspace: Workspace,
  policy: string | undefined,
  until: Date | undefined,
): Promise<JobRecord[]> {
  requireScheduled(workspace, policy)
  const wanted = policy === undefined ? undefined : backupJob(policy)
  const jobs = (await workspace.catalog.listJobs()).filter(job => wanted === undefined || job.name === wanted)
  if (jobs.length === 0) throw neverServed()
  const changed = jobs.map(job => ({ ...job, pausedUntil: until }))
  for (const job of changed) await workspace.catalog.saveJob(job)
  return changed
}

function requireScheduled({ settings }: Workspace, policy: string | undefined): void {
  if (policy === undefined) return
  const { schedule } = settings.policies.get(policy) ?? {}
  if (schedule !== undefined) return
  const known = [...settings.policies].filter(([, each]) => each.schedule !== undefined).map(([name]) => name)
  throw new AppError('usage', `no policy with a schedule is called ${policy}`, {
    hint: known.length === 0 ? 'No policy has a schedule.' : `There are: ${known.join(', ')}.`,
  })
}

function neverServed(): AppError {
  return new AppError('not-found', 'no scheduler has run here yet: there is nothing to pause or resume', {
    hint: 'Start it with: lifeboat serve',
  })
}
