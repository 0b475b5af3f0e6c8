import { AppError, messageOf, throwIfAborted } from '../../base/errors.ts'
import type { JobRecord, SlotRecord } from '../../catalog/catalog.ts'
import type { Finding } from '../../model/finding.ts'
import { isOfFuture, type Proof, SAFETY_TAG } from '../../model/recovery-point.ts'
import { nextSlot } from '../../model/schedule.ts'
import { backupJob, policySchedule } from '../../model/schedule-of-policy.ts'
import type { PolicySettings } from '../../model/settings.ts'
import { type Heartbeat, isAlive, readHeartbeat } from '../schedule/heartbeat.ts'
import { type CopiedPoint, freshnessIn, joinCopies } from '../snapshots/copies-of-points.ts'
import { listRecoveryPoints } from '../snapshots/snapshots.ts'
import { nearestFirst } from '../workspace/names.ts'
import { unlessSilent } from '../workspace/patience.ts'
import { type Caller, lookAround } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { allowedAge, conditionsOf, isUnknown, type PolicyFacts, type SourceFacts } from './conditions.ts'

const SLOTS = 50

/** What can be gone back to, how old and how sure it is, and what is wrong. */
export interface Status {
  readonly takenAt: Date
  readonly scheduler: SchedulerStatus
  readonly sources: readonly SourceStatus[]
  /** Sources of which nothing is known: their repositories can't be reached. */
  readonly unknown: readonly string[]
  /** The worst first. */
  readonly problems: readonly Finding[]
}

export interface SchedulerStatus {
  /** `late`: it lives and does not do its work. `none`: it never ran here. */
  readonly state: 'running' | 'late' | 'stopped' | 'none'
  readonly heartbeat: Heartbeat | undefined
}

export interface SourceStatus {
  readonly source: string
  /** The newest moment that can be gone back to; undefined: none, or nothing is known. */
  readonly newest: CopiedPoint | undefined
  /** Milliseconds that it may be old; undefined: nobody said. */
  readonly allowedMs: number | undefined
  /** The strongest proof of the newest point that has one. */
  readonly proven: { readonly proof: Proof; readonly at: Date; readonly time: Date } | undefined
  /** Where the newest point lives. */
  readonly repositories: readonly string[]
  readonly next: { readonly policy: string; readonly at: Date } | undefined
}

/** Looks into all repositories; one that can't be reached is a problem of its own. */
export async function takeStatus(workspace: Workspace, caller: Caller): Promise<Status> {
  return await lookAround(workspace, caller, async run => {
    const now = workspace.clock.now()
    const repositories = nearestFirst(workspace, [...workspace.settings.repositories.keys()])
    const looks = await Promise.all(repositories.map(name => look(workspace, name, run.signal, now)))
    const unknown = looks.filter(each => each.failure !== undefined).map(each => each.name)
    const points = looks.flatMap(each => each.points).toSorted((a, b) => a.time.getTime() - b.time.getTime())
    const joined = joinCopies(points, repositories)
    const facts = await factsOf(workspace, { joined, repositories, unknown, now })
    const heartbeat = await readHeartbeat(workspace.stateDir)
    const scheduler = { state: stateOf(heartbeat, now), heartbeat }
    const problems = [
      ...looks.flatMap(each => each.failure ?? []),
      ...schedulerProblems(workspace, scheduler),
      ...facts.flatMap(each => conditionsOf(each, now)),
    ]
    return {
      takenAt: now,
      scheduler,
      sources: facts.map(each => statusOf(each, now)),
      unknown: facts.filter(isUnknown).map(each => each.source),
      problems: unique(problems).toSorted((a, b) => RANK[a.severity] - RANK[b.severity]),
    }
  })
}

const RANK = { error: 0, warning: 1, info: 2 } as const

interface Look {
  readonly name: string
  readonly points: Awaited<ReturnType<typeof listRecoveryPoints>>['recoveryPoints']
  readonly failure: Finding | undefined
}

async function look(workspace: Workspace, name: string, signal: AbortSignal, now: Date): Promise<Look> {
  const read = async () => {
    const repository = await workspace.repository(name)
    const proofs = await workspace.catalog.listProofs(repository.id)
    return await listRecoveryPoints({
      repositories: [{ name, repository }],
      source: undefined,
      now,
      proofs: () => proofs,
    })
  }
  try {
    const { recoveryPoints } = await unlessSilent(workspace, [name], signal, read)
    return { name, points: recoveryPoints, failure: undefined }
  } catch (error) {
    throwIfAborted(signal)
    if (!(error instanceof AppError)) throw error
    const { hint } = error
    const failure: Finding = {
      severity: 'error',
      code: 'repository-away',
      subject: name,
      message: `what it holds is not known: ${messageOf(error)}`,
      ...(hint === undefined ? {} : { hint }),
    }
    return { name, points: [], failure }
  }
}

interface Known {
  readonly joined: readonly CopiedPoint[]
  readonly repositories: readonly string[]
  readonly unknown: readonly string[]
  readonly now: Date
}

async function factsOf({ settings, catalog }: Workspace, known: Known): Promise<SourceFacts[]> {
  const { joined, repositories, unknown, now } = known
  const { policies } = settings
  const jobs = new Map((await catalog.listJobs()).map(job => [job.name, job]))
  const slots = new Map(
    await Promise.all(
      [...policies.keys()].map(
        async name => [name, await catalog.listSlots({ job: backupJob(name), limit: SLOTS })] as const,
      ),
    ),
  )
  const past = joined.filter(({ time, tags }) => !isOfFuture(time, now) && !tags.includes(SAFETY_TAG))
  return [...settings.sources.keys()].map(source => {
    const own = [...policies].filter(([, policy]) => policy.sources.includes(source))
    const wanted = repositories.filter(name => own.some(([, policy]) => policy.repositories.includes(name)))
    const points = past.filter(point => point.source === source)
    return {
      source,
      policies: own.map(([name, policy]) =>
        policyFacts(name, policy, jobs.get(backupJob(name)), slots.get(name) ?? []),
      ),
      points,
      repositories: wanted.map(name => freshnessIn(name, points, { policies, unknown })),
    }
  })
}

function policyFacts(
  name: string,
  policy: PolicySettings,
  job: JobRecord | undefined,
  slots: readonly SlotRecord[],
): PolicyFacts {
  return {
    name,
    schedule: policySchedule(policy),
    rpoMs: policy.objectives?.rpo,
    since: job?.since,
    pausedUntil: job?.pausedUntil,
    slots,
    verifies: policy.verify !== undefined,
  }
}

function statusOf({ source, points, policies }: SourceFacts, now: Date): SourceStatus {
  const newest = points.at(-1)
  const upcoming = policies.flatMap(({ name, schedule, pausedUntil }) => {
    const from = pausedUntil !== undefined && pausedUntil > now ? pausedUntil : now
    const at = schedule && nextSlot(schedule, from)
    return at === undefined ? [] : [{ policy: name, at }]
  })
  const proven = points
    .flatMap(point => point.copies)
    .findLast(copy => copy.provenAt !== undefined && copy.proof !== 'failed')
  return {
    source,
    newest,
    allowedMs: allowedAge(policies, now),
    proven: proven?.provenAt && { proof: proven.proof, at: proven.provenAt, time: proven.time },
    repositories: newest?.copies.map(copy => copy.repository) ?? [],
    next: upcoming.toSorted((a, b) => a.at.getTime() - b.at.getTime())[0],
  }
}

function stateOf(heartbeat: Heartbeat | undefined, now: Date): SchedulerStatus['state'] {
  if (heartbeat === undefined) return 'none'
  if (isAlive(heartbeat, now)) return 'running'
  return heartbeat.ended ? 'stopped' : 'late'
}

function schedulerProblems({ settings }: Workspace, { state, heartbeat }: SchedulerStatus): Finding[] {
  const isNeeded = [...settings.policies.values()].some(policy => policy.schedule !== undefined)
  const problem = (severity: Finding['severity'], code: string, message: string, hint: string): Finding => ({
    severity,
    code,
    subject: 'lifeboat serve',
    message,
    hint,
  })
  const found: Finding[] = []
  if (isNeeded && state === 'late') {
    const since = heartbeat?.tickedAt.toISOString() ?? 'ever'
    found.push(
      problem(
        'error',
        'scheduler-late',
        `it has not looked at the clock since ${since}: nothing runs by itself`,
        'Start it again with: lifeboat serve',
      ),
    )
  }
  if (isNeeded && state === 'stopped') {
    found.push(
      problem(
        'warning',
        'scheduler-stopped',
        'it was stopped: nothing runs by itself',
        'Start it with: lifeboat serve',
      ),
    )
  }
  if (isNeeded && state === 'none') {
    found.push(
      problem(
        'info',
        'scheduler-none',
        'it never ran here: policies have a schedule, and nothing runs by itself',
        'Make a service of it with: lifeboat install',
      ),
    )
  }
  if (heartbeat?.refused != null && state === 'running') {
    found.push(
      problem(
        'error',
        'configuration-refused',
        `it goes on with the configuration from before: ${heartbeat.refused}`,
        'Mend it, look with "lifeboat config check", then reload the service.',
      ),
    )
  }
  return found
}

/** A policy of several sources fails once. */
function unique(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map(each => [`${each.code}\0${each.subject}\0${each.message}`, each])).values()]
}
