import { createHash } from 'node:crypto'
import { formatDuration } from '../base/durations.ts'
import type { AlertRecord } from '../catalog/catalog.ts'
import type { Notice, NoticeEvent } from '../notifiers/notifier.ts'

/** What a person reads of an alert. */
export function noticeOf(event: NoticeEvent, alert: AlertRecord, host: string, now: Date): Notice {
  const { finding, openedAt, told, key } = alert
  const { severity, code, subject, message, hint } = finding
  const id = createHash('sha256')
    .update([key, openedAt.toISOString(), event, told].join('\0'))
    .digest('hex')
    .slice(0, 32)
  const word = event === 'closed' ? 'resolved' : event === 'reminder' ? `still: ${severity}` : severity
  const lasted = formatDuration(now.getTime() - openedAt.getTime())
  const since =
    event === 'closed' ? `It lasted ${lasted}.` : event === 'reminder' ? `It is so since ${lasted} ago.` : ''
  const lines = [`${subject}: ${message}`, since, event === 'closed' ? '' : (hint ?? '')]
  return {
    id,
    event,
    severity,
    code,
    subject,
    title: `${word}: ${subject}: ${message}`,
    text: lines.filter(line => line !== '').join('\n'),
    host,
    at: now,
    since: openedAt,
  }
}

/** To see that a notifier works. */
export function testNotice(host: string, now: Date): Notice {
  const finding = {
    severity: 'info',
    code: 'test',
    subject: 'lifeboat',
    message: 'this is a test: all is well',
  } as const
  const alert = { key: `test ${now.toISOString()}`, finding, openedAt: now, told: 0 }
  return noticeOf('test', alert, host, now)
}
