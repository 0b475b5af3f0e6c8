import type { Schedule } from './schedule.ts'
import type { PolicySettings } from './settings.ts'

/** Of the job that backs a policy up. */
export const backupJob = (policy: string): string => `backup ${policy}`

/** This machine's, for schedules that name none. */
export const localZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone

/** Undefined for a policy that does not run by itself. */
export function policySchedule(policy: PolicySettings): Schedule | undefined {
  const { schedule: cron, timezone = localZone(), jitter: jitterMs, window, except } = policy
  return cron === undefined ? undefined : { cron, timezone, jitterMs, window, except }
}
