import { backupJob, localZone, policySchedule } from '../model/schedule-of-policy.ts'
import type { PolicySettings, Settings } from '../model/settings.ts'
import type { Job } from './due.ts'

/** A job, and the words after `lifeboat` that do it. */
export interface CommandJob extends Job {
  readonly command: readonly string[]
}

/** A check reads what was not read for longest: within half a year, everything. */
const COMMANDS = { forget: ['forget'], prune: ['prune'], check: ['check', '--read-data=4%'] } as const

/** A look into each repository costs some requests. */
const WATCH = '*/15 * * * *'

/** Everything that happens by itself: the backups of policies that have a schedule, and the upkeep of what they fill. */
export function jobsOf(settings: Pick<Settings, 'policies' | 'maintenance'>): CommandJob[] {
  const scheduled = [...settings.policies].filter(([, policy]) => policy.schedule !== undefined)
  const backups = scheduled.flatMap(([name, policy]) => {
    const schedule = policySchedule(policy)
    return schedule === undefined ? [] : [{ name: backupJob(name), schedule, command: ['backup', '--policy', name] }]
  })
  const watch = { name: 'alerts', schedule: { cron: WATCH, timezone: 'UTC' }, command: ['alerts', 'check'] }
  return [...backups, ...upkeepOf(settings, scheduled), watch]
}

function upkeepOf(
  { maintenance }: Pick<Settings, 'maintenance'>,
  scheduled: ReadonlyArray<readonly [string, PolicySettings]>,
): CommandJob[] {
  const { timezone = localZone() } = maintenance
  const used = new Set(scheduled.flatMap(([, policy]) => policy.repositories))
  const keeps = ({ keep, keepIn = {}, repositories }: PolicySettings): readonly string[] =>
    keep === undefined ? repositories.filter(name => keepIn[name] !== undefined) : repositories
  const kept = new Set(scheduled.flatMap(([, policy]) => keeps(policy)))
  const of = (verb: 'forget' | 'prune' | 'check', repositories: Iterable<string>): CommandJob[] => {
    const cron = maintenance[verb]
    if (cron === undefined) return []
    return [...repositories].map(name => ({
      name: `${verb} ${name}`,
      schedule: { cron, timezone },
      command: [...COMMANDS[verb], '--repo', name],
    }))
  }
  return [...of('forget', kept), ...of('prune', used), ...of('check', used)]
}
