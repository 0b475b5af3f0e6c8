import { parseDuration } from './durations.ts'

const DATE_TIME =
  /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[t ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?\s*(z|utc|[+-]\d{2}(?::?\d{2})?)?$/i

/**
 * The moment that a person means by `2026-09-04 02:00` (this machine's time zone), `2026-09-04`, an ISO 8601 time with
 * zone (`+02:00`, `+02`, `Z`, `UTC`), `02:00` (today), `3h ago`, `now`, `today` or `yesterday` (their midnights). Undefined when it is no time.
 */
export function parseTime(text: string, now: Date): Date | undefined {
  const micros = parseEpochMicros(text, now)
  return micros === undefined ? undefined : new Date(Math.floor(micros / 1000))
}

/** The same in microseconds since 1970, which databases count in and a `Date` cuts off. What is finer is cut off here. */
export function parseEpochMicros(text: string, now: Date): number | undefined {
  const word = text.trim().toLowerCase()
  if (word === 'now') return now.getTime() * 1000
  if (word === 'today') return midnight(now, 0).getTime() * 1000
  if (word === 'yesterday') return midnight(now, -1).getTime() * 1000
  const ago = /^(.+?)\s+ago$/.exec(word)
  if (ago) {
    const durationMs = parseDuration(ago[1] ?? '')
    return durationMs === undefined ? undefined : (now.getTime() - durationMs) * 1000
  }
  const timeOfDay = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(word)
  if (timeOfDay) return parseEpochMicros(`${dayOf(now)} ${word}`, now)
  return parseDateTime(word)
}

function midnight(now: Date, days: number): Date {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + days)
}

function parseDateTime(text: string): number | undefined {
  const match = DATE_TIME.exec(text)
  if (!match) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map(part => Number(part ?? 0))
  const fractionMicros = Number((match[7] ?? '').padEnd(6, '0').slice(0, 6))
  const utc = new Date(Date.UTC(year, month - 1, day, hour, minute, second))
  // Date accepts 31 February and 25:00 and carries over; a person who writes them made a mistake.
  if (utc.getUTCMonth() !== month - 1 || utc.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59) {
    return undefined
  }
  const zone = match[8]
  // PostgreSQL writes `+00`; after a date alone that may as well be a mistyped day.
  if (zone !== undefined && match[4] === undefined && /^[+-]\d{2}$/.test(zone)) return undefined
  const ms =
    zone === undefined
      ? new Date(year, month - 1, day, hour, minute, second).getTime()
      : utc.getTime() - zoneOffsetMs(zone)
  return ms * 1000 + fractionMicros
}

function zoneOffsetMs(zone: string): number {
  if (zone === 'z' || zone === 'utc') return 0
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

/** `2026-09-04T02:00:07.123456Z`. */
export function formatEpochMicros(micros: number): string {
  const seconds = Math.floor(micros / 1_000_000)
  const fraction = String(micros - seconds * 1_000_000).padStart(6, '0')
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${fraction}Z`
}

/** `2026-09-04 02:00:07 +08:00`: for what is read elsewhere. */
export function formatTimeWithZone(time: Date): string {
  const offsetMinutes = -time.getTimezoneOffset()
  if (offsetMinutes === 0) return `${formatTime(time)} UTC`
  const size = Math.abs(offsetMinutes)
  return `${formatTime(time)} ${offsetMinutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`
}
