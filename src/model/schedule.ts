import { createHash } from 'node:crypto'
import { Cron } from 'croner'
import { messageOf } from '../base/errors.ts'
import { Calendar } from './retention-time.ts'

/**
 * When something happens. A daily time that does not exist runs at the first moment after the gap; one that exists twice
 * runs once, the first time; what comes every so many minutes runs through both.
 */
export interface Schedule {
  /** Five fields of cron, six with seconds first, or `@daily` and its like. */
  readonly cron: string
  /** An IANA name. */
  readonly timezone: string
  /** Milliseconds: each start comes up to so much later, by the same amount each time. */
  readonly jitterMs?: number | undefined
  /** Starts only in these hours of its zone. */
  readonly window?: DayWindow | undefined
  /** Local dates on which it does not run, as `2026-12-24`. */
  readonly except?: readonly string[] | undefined
}

/** Minutes of the day; it may reach over midnight. */
export interface DayWindow {
  readonly from: number
  readonly to: number
}

const FORM =
  'a cron expression like "0 2 * * *" (minute, hour, day of the month, month, day of the week), with seconds first if there are six fields, or @hourly, @daily, @weekly, @monthly, @yearly'
/** More excepted days in a row than anybody writes. */
const MOST_EXCEPTED = 2000

/** What a cron expression should be instead; undefined for a good one. */
export function findCronProblem(expression: string): string | undefined {
  // It would take the form of a date for a single time.
  if (/^\s*\d{4}-/.test(expression)) return FORM
  try {
    return cronOf(expression, 'UTC').nextRun(new Date(0)) === null
      ? 'a day that comes: no month of these has that many'
      : undefined
  } catch (error) {
    const [, field, value] = /Invalid value for (\w+): (\S+)/.exec(messageOf(error)) ?? []
    return field === undefined ? FORM : `${FORM}; ${value} is no ${field}`
  }
}

/** What is right and may surprise: a day that most months, but not all, have. */
export function findCronWarning(expression: string): string | undefined {
  const [minute, hour, day, ...rest] = expression.trim().split(/\s+/).slice(-5)
  if (rest.join() !== '*,*' || !/^(29|30|31)$/.test(day ?? '')) return undefined
  const last = [minute, hour, 'L', ...rest].join(' ')
  return `not every month has a day ${day}; for the last day of each month write "${last}"`
}

/** The same for the same schedule: a slot belongs to the schedule that it came from. */
export function scheduleHash(schedule: Schedule): string {
  const { cron, timezone, jitterMs = 0, window, except = [] } = schedule
  const text = JSON.stringify([cron, timezone, jitterMs, window ?? null, except])
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

/** The newest time of the schedule in (`after`, `now`]. */
export function newestSlot(schedule: Schedule, after: Date, now: Date): Date | undefined {
  const cron = cronOf(schedule.cron, schedule.timezone)
  const isExcepted = exceptions(schedule)
  // Times are whole seconds, and the end that croner is told is not among what it gives.
  let end = new Date((Math.floor(now.getTime() / 1000) + 1) * 1000)
  for (let tries = 0; tries < MOST_EXCEPTED; tries++) {
    const [slot] = cron.previousRuns(1, end)
    if (slot === undefined || slot <= after) return undefined
    if (!isExcepted(slot)) return slot
    end = slot
  }
  return undefined
}

/** The next time of the schedule after this one. */
export function nextSlot(schedule: Schedule, after: Date): Date | undefined {
  const cron = cronOf(schedule.cron, schedule.timezone)
  const isExcepted = exceptions(schedule)
  let slot = cron.nextRun(after)
  for (let tries = 0; slot !== null && isExcepted(slot) && tries < MOST_EXCEPTED; tries++) slot = cron.nextRun(slot)
  return slot ?? undefined
}

/**
 * When the run of a slot may start, `ready` being the first moment at which it could: the same, or when the window opens.
 */
export function startInWindow({ window, timezone }: Schedule, ready: Date): Date {
  if (window === undefined || isIn(window, minuteOf(timezone, ready))) return ready
  const opens = cronOf(`${window.from % 60} ${Math.floor(window.from / 60)} * * *`, timezone)
  return opens.nextRun(ready) ?? ready
}

/** Later by so much, always the same for one `key` (host and policy): hosts with one schedule do not all start at once. */
export function jitterOf({ jitterMs = 0 }: Schedule, key: string): number {
  if (jitterMs === 0) return 0
  return createHash('sha256').update(key).digest().readUInt32BE(0) % jitterMs
}

/** As the clock on the wall shows it: `2026-03-29T02:30`. */
export function wallTime(timezone: string, time: Date): string {
  const { year, month, day, hour, minute, second } = new Calendar(timezone).civil(time)
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${year}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}${second === 0 ? '' : `:${two(second)}`}`
}

function exceptions({ except = [], timezone }: Schedule): (slot: Date) => boolean {
  if (except.length === 0) return () => false
  return slot => except.includes(wallTime(timezone, slot).slice(0, 10))
}

function minuteOf(timezone: string, time: Date): number {
  const { hour, minute } = new Calendar(timezone).civil(time)
  return hour * 60 + minute
}

function isIn({ from, to }: DayWindow, minute: number): boolean {
  return from <= to ? from <= minute && minute < to : minute >= from || minute < to
}

function cronOf(expression: string, timezone: string): Cron {
  // By its default, a time with a wildcard beside it runs twice where the clock goes back.
  return new Cron(expression.trim(), { paused: true, timezone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard' })
}
