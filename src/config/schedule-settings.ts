import { z } from 'zod'
import { parseDuration } from '../base/durations.ts'
import { type DayWindow, findCronProblem } from '../model/schedule.ts'

const MINUTES_OF_DAY = 24 * 60

export const cron = z.string().superRefine((value, context) => {
  const problem = findCronProblem(value)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
})

const timezone = z.string().refine(isTimeZone, 'a time zone like "Europe/Berlin" or "UTC"')

const window = z
  .string()
  .transform((text, context): DayWindow => {
    const [, from, to] = /^(\d\d:\d\d)\s*-\s*(\d\d:\d\d)$/.exec(text.trim()) ?? []
    const [start, end] = [minuteOf(from), minuteOf(to)]
    if (start !== undefined && end !== undefined && start !== end) return { from: start, to: end }
    context.addIssue({ code: 'custom', message: 'two times of the day, as "01:00-05:00"' })
    return z.NEVER
  })
  .describe('Runs start only between these times of the day, as "01:00-05:00"; it may reach over midnight.')

const jitter = z
  .string()
  .transform((text, context) => {
    const milliseconds = parseDuration(text)
    if (milliseconds !== undefined && milliseconds < 24 * 3_600_000) return milliseconds
    context.addIssue({ code: 'custom', message: 'a duration below a day, as 5m' })
    return z.NEVER
  })
  .describe('Start up to so much later, always the same on one host: keeps hosts from starting all at once.')

const date = z
  .string()
  .refine(text => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)), 'a date like 2026-12-24')

/** Of a policy, beside its `schedule`. */
export const scheduleKeys = {
  timezone: timezone.optional().describe('Time zone of the schedule; default: this machine’s.'),
  jitter: jitter.optional(),
  window: window.optional(),
  except: z.array(date).optional().describe('Dates in the zone of the schedule on which it does not run.'),
}

const upkeep = (byDefault: string) =>
  z
    .union([z.literal('off').transform(() => undefined), cron], { error: 'a cron expression, or off' })
    .default(byDefault)

/** What repositories need from time to time. By default on hours and days of their own, away from most backups. */
export const maintenance = z
  .strictObject({
    forget: upkeep('30 4 * * *').describe('When to remove what no `keep` rule keeps.'),
    prune: upkeep('0 5 * * 0').describe('When to free the space of what was removed.'),
    check: upkeep('0 6 * * 6').describe('When to check that repositories are intact.'),
    timezone: timezone.optional().describe('Time zone of these; default: this machine’s.'),
  })
  .describe('Upkeep of the repositories that scheduled policies use, by `lifeboat serve`; `off` turns one off.')

function minuteOf(text: string | undefined): number | undefined {
  const [hours = 0, minutes = 0] = (text ?? '').split(':').map(Number)
  const minute = hours * 60 + minutes
  return text !== undefined && hours < 24 && minutes < 60 && minute < MINUTES_OF_DAY ? minute : undefined
}

function isTimeZone(zone: string): boolean {
  try {
    return Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined
  } catch {
    return false
  }
}
