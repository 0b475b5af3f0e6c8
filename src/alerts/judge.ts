import type { AlertRecord } from '../catalog/catalog.ts'
import type { Finding } from '../model/finding.ts'
import type { NoticeEvent } from '../notifiers/notifier.ts'

const DAY_MS = 86_400_000
/** Since it was opened, in days; then every week. */
const REMINDERS = [1, 3, 7] as const
/** What comes and goes is one alert: it is closed when it was not seen for so long. */
const CLOSE_AFTER_MS = 10 * 60_000

export interface Observation {
  /** What is wrong now. */
  readonly findings: readonly Finding[]
  /** Subjects of which nothing is known now: their alerts stay as they are. */
  readonly unknown: ReadonlySet<string>
  /** Is there anybody who wants to hear of it? What nobody hears of is not told. */
  readonly isHeard: (finding: Finding) => boolean
}

export interface Judgement {
  /** As they are now: to be saved. */
  readonly alerts: readonly AlertRecord[]
  readonly tell: ReadonlyArray<{ readonly event: Exclude<NoticeEvent, 'test'>; readonly alert: AlertRecord }>
}

/** Opens, goes on with and closes alerts. Each is told when it opens, from time to time while it lasts, and when it closes. */
export function judge(open: readonly AlertRecord[], { findings, unknown, isHeard }: Observation, now: Date): Judgement {
  const found = new Map(findings.filter(each => each.severity !== 'info').map(each => [keyOf(each), each]))
  const known = new Map(open.map(alert => [alert.key, alert]))
  const alerts: AlertRecord[] = []
  const tell: { event: 'opened' | 'reminder' | 'closed'; alert: AlertRecord }[] = []
  const put = (alert: AlertRecord, event: 'opened' | 'reminder' | 'closed' | undefined): void => {
    if (event === undefined || !isHeard(alert.finding)) return void alerts.push(alert)
    const told = { ...alert, toldAt: now, told: alert.told + 1 }
    alerts.push(told)
    tell.push({ event, alert: told })
  }
  for (const [key, finding] of found) {
    const before = known.get(key)
    const alert = before ?? { key, finding, openedAt: now, told: 0 }
    put({ ...alert, finding, missingSince: undefined }, eventOf(alert, finding, now))
  }
  for (const alert of open) {
    if (found.has(alert.key) || unknown.has(alert.finding.subject)) continue
    const missingSince = alert.missingSince ?? now
    if (now.getTime() - missingSince.getTime() < CLOSE_AFTER_MS) put({ ...alert, missingSince }, undefined)
    // Who was never told of it need not hear that it is over.
    else put({ ...alert, missingSince, closedAt: now }, alert.told > 0 && !isSilent(alert, now) ? 'closed' : undefined)
  }
  return { alerts, tell }
}

/** One alert a code and subject: the message says how old something is, and changes. */
export const keyOf = ({ code, subject }: Finding): string => `${code} ${subject}`

function eventOf(alert: AlertRecord, finding: Finding, now: Date): 'opened' | 'reminder' | undefined {
  if (isSilent(alert, now)) return undefined
  if (alert.toldAt === undefined) return 'opened'
  // It was a warning, and is an error now.
  if (finding.severity === 'error' && alert.finding.severity !== 'error') return 'opened'
  return isDue(alert, alert.toldAt, now) ? 'reminder' : undefined
}

function isSilent({ silencedUntil }: AlertRecord, now: Date): boolean {
  return silencedUntil !== undefined && silencedUntil > now
}

/** Has a time for a reminder come since it was told last? */
function isDue({ openedAt }: AlertRecord, toldAt: Date, now: Date): boolean {
  const dayOf = (time: Date): number => (time.getTime() - openedAt.getTime()) / DAY_MS
  const passed = (day: number): number =>
    REMINDERS.filter(each => each <= day).length + Math.max(0, Math.floor(day / 7) - 1)
  return passed(dayOf(now)) > passed(dayOf(toldAt))
}
