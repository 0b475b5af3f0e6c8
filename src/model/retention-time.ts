import { AppError } from '../base/errors.ts'

/** How far back, in calendar units: a month is not a fixed time. */
export interface RetentionDuration {
  readonly years: number
  readonly months: number
  readonly days: number
  readonly hours: number
}

const DURATION = /^(?:(\d{1,4})y)?(?:(\d{1,5})m)?(?:(\d{1,5})w)?(?:(\d{1,6})d)?(?:(\d{1,7})h)?$/

/** restic's form, `1y5m7d2h`, `m` being months, and weeks: `4w`. `usage` for anything else, and for nothing. */
export function parseRetentionDuration(text: string): RetentionDuration {
  const parts = DURATION.exec(text.trim())
  const [years = 0, months = 0, weeks = 0, others = 0, hours = 0] = (parts?.slice(1) ?? []).map(part =>
    Number(part ?? 0),
  )
  const days = 7 * weeks + others
  if (!parts || years + months + days + hours === 0) {
    throw new AppError('usage', `cannot read the duration ${JSON.stringify(text)}`, {
      hint: 'Write years, months, weeks, days and hours in this order, like 30d, 4w or 1y5m7d2h.',
    })
  }
  return { years, months, days, hours }
}

export function formatRetentionDuration(duration: RetentionDuration): string {
  const part = (count: number, unit: string): string => (count === 0 ? '' : `${count}${unit}`)
  return part(duration.years, 'y') + part(duration.months, 'm') + part(duration.days, 'd') + part(duration.hours, 'h')
}

/** Wall-clock time in some zone. */
export interface CivilTime {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
}

/** What the clock on the wall shows in one time zone. */
export class Calendar {
  readonly #format: Intl.DateTimeFormat

  /** @param timezone an IANA name; `usage` when unknown. */
  constructor(timezone: string) {
    try {
      this.#format = new Intl.DateTimeFormat('en-u-ca-iso8601', {
        timeZone: timezone,
        hourCycle: 'h23',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
      })
    } catch (error) {
      throw new AppError('usage', `unknown time zone ${JSON.stringify(timezone)}`, {
        cause: error,
        hint: 'Write a name like Europe/Berlin, Asia/Shanghai or UTC.',
      })
    }
  }

  civil(time: Date): CivilTime {
    const parts = { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0 }
    for (const { type, value } of this.#format.formatToParts(time)) {
      if (type in parts) Object.assign(parts, { [type]: Number(value) })
    }
    return parts
  }

  /** So far back from `time` on the calendar of this zone, then by the clock for the hours. */
  before(time: Date, duration: RetentionDuration): Date {
    const { year, month, day, hour, minute, second } = this.civil(time)
    // Days that do not exist run over into the next month, as in restic: one month before 31 March is 3 March.
    const wall = utc(year - duration.years, month - duration.months, day - duration.days, hour, minute, second)
    const instant = this.#instantOf(wall) + (time.getTime() % 1000)
    return new Date(instant - duration.hours * 3_600_000)
  }

  #instantOf(wall: number): number {
    const guess = wall - this.#offset(wall)
    return wall - this.#offset(guess)
  }

  #offset(instant: number): number {
    const { year, month, day, hour, minute, second } = this.civil(new Date(instant))
    return utc(year, month, day, hour, minute, second) - Math.floor(instant / 1000) * 1000
  }
}

/** Year and week number of ISO 8601: a week belongs to the year that its Thursday is in. */
export function isoWeek(civil: CivilTime): { readonly year: number; readonly week: number } {
  const day = new Date(utc(civil.year, civil.month, civil.day, 0, 0, 0))
  day.setUTCDate(day.getUTCDate() + 3 - ((day.getUTCDay() + 6) % 7))
  const year = day.getUTCFullYear()
  return { year, week: Math.floor((day.getTime() - utc(year, 1, 1, 0, 0, 0)) / (7 * 86_400_000)) + 1 }
}

// Date.UTC takes the years 0 to 99 for 1900 to 1999.
function utc(year: number, month: number, day: number, hour: number, minute: number, second: number): number {
  const date = new Date(Date.UTC(2000, 0, 1, hour, minute, second))
  date.setUTCFullYear(year, month - 1, day)
  return date.getTime()
}
