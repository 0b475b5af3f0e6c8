/** Part of each day, by the clock on the wall of this machine. Where it ends before it begins, it goes over midnight. */
export interface Hours {
  /** Minutes after midnight. */
  readonly from: number
  /** The first minute that is not in it any more. */
  readonly to: number
}

const DAY_MINUTES = 24 * 60

/** Of `22:00-06:00`. Undefined when it is none, or begins when it ends. */
export function parseHours(text: string): Hours | undefined {
  const match = /^(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})$/.exec(text.trim())
  if (!match) return undefined
  const [, fromHour, fromMinute, toHour, toMinute] = match
  const from = minuteOf(Number(fromHour), Number(fromMinute))
  const to = minuteOf(Number(toHour), Number(toMinute))
  if (from === undefined || to === undefined || from === DAY_MINUTES) return undefined
  return from % DAY_MINUTES === to % DAY_MINUTES ? undefined : { from, to }
}

function minuteOf(hour: number, minute: number): number | undefined {
  const minutes = hour * 60 + minute
  return minute < 60 && minutes <= DAY_MINUTES ? minutes : undefined
}

/** Is this moment, in local time, within them? */
export function isWithin({ from, to }: Hours, moment: Date): boolean {
  const now = moment.getHours() * 60 + moment.getMinutes()
  return from < to ? now >= from && now < to : now >= from || now < to
}
