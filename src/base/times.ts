import { parseDuration } from './durations.ts'

const DATE_TIME =
  /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[t ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?\s*(z|[+-]\d{2}:?\d{2})?$/i

/**
 * The moment that a person means by `2026-09-04 02:00` (this machine's time zone), `2026-09-04`, an ISO 8601 time with
 * zone, `02:00` (today), `3h ago`, `now`, `today` or `yesterday` (their midnights). Undefined when it is no time.
 */
export function parseTime(text: string, now: Date): Date | undefined {
  const word = text.trim().toLowerCase()
  if (word === 'now') return now
  if (word === 'today') return midnight(now, 0)
  if (word === 'yesterday') return midnight(now, -1)
  const ago = /^(.+?)\s+ago$/.exec(word)
  if (ago) {
    const durationMs = parseDuration(ago[1] ?? '')
    return durationMs === undefined ? undefined : new Date(now.getTime() - durationMs)
  }
  const timeOfDay = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(word)
  if (timeOfDay) return parseTime(`${dayOf(now)} ${word}`, now)
  return parseDateTime(word)
}

function midnight(now: Date, days: number): Date {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + days)
}

function parseDateTime(text: string): Date | undefined {
  const match = DATE_TIME.exec(text)
  if (!match) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map(part => Number(part ?? 0))
  const ms = Math.floor(Number(`0.${match[7] ?? 0}`) * 1000)
  const utc = new Date(Date.UTC(year, month - 1, day, hour, minute, second, ms))
  // Date accepts 31 February and 25:00 and carries over; a person who writes them made a mistake.
  if (utc.getUTCMonth() !== month - 1 || utc.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59) {
    return undefined
  }
  const zone = match[8]
  if (zone === undefined) return new Date(year, month - 1, day, hour, minute, second, ms)
  return new Date(utc.getTime() - zoneOffsetMs(zone))
}

function zoneOffsetMs(zone: string): number {
  if (zone === 'z') return 0
  const digits = zone.replace(/\D/g, '')
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000
}

const two = (value: number): string => String(value).padStart(2, '0')

function dayOf(time: Date): string {
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`
}

/** `2026-09-04 02:00:07`, in this machine's time zone. */
export function formatTime(time: Date): string {
  return `${dayOf(time)} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`
}

/** `2026-09-04 02:00:07 +08:00`: for what is read elsewhere. */
export function formatTimeWithZone(time: Date): string {
  const offsetMinutes = -time.getTimezoneOffset()
  if (offsetMinutes === 0) return `${formatTime(time)} UTC`
  const size = Math.abs(offsetMinutes)
  return `${formatTime(time)} ${offsetMinutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`
}
