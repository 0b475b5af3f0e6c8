import type { Finding } from '../../model/finding.ts'
import type { Caller } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { takeStatus } from './status.ts'

const RUNS = 1000
const HOUR_MS = 3_600_000

/** In figures, for monitoring. */
export interface Health {
  readonly takenAt: Date
  readonly healthy: boolean
  readonly errors: readonly Finding[]
  /** Of the backups that ended, of which the catalog knows. */
  readonly totalBackups: number
  /** Percent; undefined before the first. */
  readonly successRate: number | undefined
  readonly consecutiveFailures: number
  /** Since the newest recovery point of the source whose newest is the oldest. */
  readonly hoursSinceLastBackup: number | undefined
  /** Hours that the scheduler runs. */
  readonly runningTime: number | undefined
}

export async function takeHealth(workspace: Workspace, caller: Caller): Promise<Health> {
  const { problems, sources, scheduler, takenAt } = await takeStatus(workspace, caller)
  const errors = problems.filter(problem => problem.severity === 'error')
  const ended = (await workspace.catalog.listRuns({ operation: 'backup', limit: RUNS })).flatMap(run => run.end ?? [])
  const isGood = ended.map(end => end.outcome === 'done' || end.outcome === 'incomplete')
  const lastGood = isGood.indexOf(true)
  const newest = sources.flatMap(source => source.newest?.time.getTime() ?? [])
  const { heartbeat, state } = scheduler
  return {
    takenAt,
    healthy: errors.length === 0,
    errors,
    totalBackups: ended.length,
    successRate: ended.length === 0 ? undefined : rounded((100 * isGood.filter(Boolean).length) / ended.length, 2),
    consecutiveFailures: lastGood === -1 ? ended.length : lastGood,
    hoursSinceLastBackup:
      newest.length === 0 ? undefined : rounded((takenAt.getTime() - Math.min(...newest)) / HOUR_MS, 1),
    runningTime:
      state === 'running' && heartbeat
        ? rounded((takenAt.getTime() - heartbeat.startedAt.getTime()) / HOUR_MS, 1)
        : undefined,
  }
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))
