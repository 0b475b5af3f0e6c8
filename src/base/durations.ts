const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND,
  sec: SECOND,
  second: SECOND,
  m: MINUTE,
  min: MINUTE,
  minute: MINUTE,
  h: HOUR,
  hour: HOUR,
  d: DAY,
  day: DAY,
  w: 7 * DAY,
  week: 7 * DAY,
}

/** Milliseconds of `25h`, `30m`, `1d12h`, `1.5h`, `2 weeks`, `1 hour 30 min`. Undefined when it is not a duration. */
export function parseDuration(text: string): number | undefined {
  const parts = text.trim().toLowerCase()
  if (!/^(\d+(\.\d+)?\s*[a-z]+\s*)+$/.test(parts)) return undefined
  let total = 0
  for (const [, amount, word = ''] of parts.matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)/g)) {
    const unitMs = UNIT_MS[word] ?? (word.endsWith('s') ? UNIT_MS[word.slice(0, -1)] : undefined)
    if (unitMs === undefined) return undefined
    total += Number(amount) * unitMs
  }
  return Number.isFinite(total) ? Math.round(total) : undefined
}

/** `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`. */
export function formatDuration(durationMs: number): string {
  const ms = Math.max(0, durationMs)
  if (ms < 9950) return `${(ms / SECOND).toFixed(1)} s`
  const seconds = Math.round(ms / SECOND)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return pair(seconds, 60, 'min', 's')
  const minutes = Math.round(ms / MINUTE)
  if (minutes < 24 * 60) return pair(minutes, 60, 'h', 'min')
  return pair(Math.round(ms / HOUR), 24, 'd', 'h')
}

/** `just now`, `5 minutes ago`, `3 hours ago`, `13 days ago`, `2 weeks ago`, `14 months ago`: for a glance. */
export function formatAgo(time: Date, now: Date): string {
  const passedMs = now.getTime() - time.getTime()
  if (passedMs < MINUTE) return 'just now'
  const { unitMs, name } = AGO.find(({ fromMs }) => passedMs >= fromMs) ?? { unitMs: MINUTE, name: 'minute' }
  const count = Math.floor(passedMs / unitMs)
  return `${count} ${name}${count === 1 ? '' : 's'} ago`
}

const AGO = [
  { fromMs: 60 * DAY, unitMs: 30 * DAY, name: 'month' },
  { fromMs: 14 * DAY, unitMs: 7 * DAY, name: 'week' },
  { fromMs: DAY, unitMs: DAY, name: 'day' },
  { fromMs: HOUR, unitMs: HOUR, name: 'hour' },
]

function pair(value: number, per: number, major: string, minor: string): string {
  const rest = value % per
  return rest === 0 ? `${Math.floor(value / per)} ${major}` : `${Math.floor(value / per)} ${major} ${rest} ${minor}`
}
