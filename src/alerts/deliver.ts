import { z } from 'zod'
import { messageOf, throwIfAborted } from '../base/errors.ts'
import type { Catalog, NoticeRecord } from '../catalog/catalog.ts'
import type { Finding } from '../model/finding.ts'
import { timeSchema } from '../model/time-schema.ts'
import type { Notice, Notifier } from '../notifiers/notifier.ts'
import { NOTICE_EVENTS } from '../notifiers/notifier.ts'

const MINUTE_MS = 60_000
/** Minutes until the next try; the last one again and again. */
const RETRY_MINUTES = [1, 5, 15, 60] as const
/** News of so long ago are none. */
const GIVE_UP_MS = 3 * 86_400_000
/** Of which on it is a problem of its own, told by the others. */
const MANY_TRIES = 3

const noticeSchema: z.ZodType<Notice> = z.object({
  id: z.string(),
  event: z.enum(NOTICE_EVENTS),
  severity: z.enum(['info', 'warning', 'error']),
  code: z.string(),
  subject: z.string(),
  title: z.string(),
  text: z.string(),
  host: z.string(),
  at: timeSchema,
  since: timeSchema,
})

export type OpenNotifier = (name: string) => Promise<Notifier | undefined>

type Outbox = Pick<Catalog, 'saveNotice' | 'listPendingNotices'>

/** Written down before it is sent: what is lost by a kill is sent by the next run. */
export async function enqueue(outbox: Outbox, notice: Notice, notifier: string): Promise<void> {
  await outbox.saveNotice({
    id: `${notice.id} ${notifier}`,
    notifier,
    content: JSON.stringify(notice),
    createdAt: notice.at,
    tries: 0,
    nextAt: notice.at,
  })
}

export interface Delivery {
  /** Notices that a notifier took. */
  readonly sent: number
  /** Notices that wait to be tried again. */
  readonly waiting: number
  /** What is wrong with notifiers. */
  readonly findings: readonly Finding[]
}

/** Sends what is due, each at least once. A notifier that fails keeps nobody from the others, and is tried again later. */
export async function deliver(outbox: Outbox, open: OpenNotifier, now: Date, signal: AbortSignal): Promise<Delivery> {
  const pending = await outbox.listPendingNotices()
  const byNotifier = Map.groupBy(pending, each => each.notifier)
  const channels = await Promise.all(
    [...byNotifier].map(async ([name, records]) => {
      const { left, sent } = await sendAll(outbox, records, () => open(name), now, signal)
      const worst = left.toSorted((a, b) => b.tries - a.tries)[0]
      const findings = worst !== undefined && worst.tries >= MANY_TRIES ? [failing(name, worst)] : []
      return { sent, waiting: left.length, findings }
    }),
  )
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)
  return {
    sent: sum(channels.map(each => each.sent)),
    waiting: sum(channels.map(each => each.waiting)),
    findings: channels.flatMap(each => each.findings),
  }
}

/** Gives those that are still to be sent, and how many were. */
async function sendAll(
  outbox: Outbox,
  records: readonly NoticeRecord[],
  open: () => Promise<Notifier | undefined>,
  now: Date,
  signal: AbortSignal,
): Promise<{ readonly left: readonly NoticeRecord[]; readonly sent: number }> {
  const left: NoticeRecord[] = []
  let sent = 0
  let notifier: Notifier | undefined
  let failure: string | undefined
  try {
    notifier = await open()
  } catch (error) {
    throwIfAborted(signal)
    failure = messageOf(error)
  }
  try {
    for (const record of records) {
      if (record.nextAt > now) left.push(record)
      else {
        // After one that failed, the others of its channel wait with it.
        failure ??= await sendOne(notifier, record, signal)
        const after = afterTry(record, failure, now)
        await outbox.saveNotice(after)
        if (after.settledAt === undefined) left.push(after)
        else if (notifier !== undefined && failure === undefined) sent++
      }
    }
  } finally {
    await notifier?.close()
  }
  return { left, sent }
}

/** Gives why it failed. */
async function sendOne(
  notifier: Notifier | undefined,
  record: NoticeRecord,
  signal: AbortSignal,
): Promise<string | undefined> {
  // It is in the configuration no more: nobody is there to be told.
  if (notifier === undefined) return undefined
  try {
    await notifier.send(noticeSchema.parse(JSON.parse(record.content)), signal)
    return undefined
  } catch (error) {
    throwIfAborted(signal)
    return messageOf(error)
  }
}

function afterTry(record: NoticeRecord, failure: string | undefined, now: Date): NoticeRecord {
  const tries = record.tries + 1
  const isOver = failure === undefined || now.getTime() - record.createdAt.getTime() > GIVE_UP_MS
  const minutes = RETRY_MINUTES[Math.min(tries, RETRY_MINUTES.length) - 1] ?? 60
  return {
    ...record,
    tries,
    failure,
    nextAt: new Date(now.getTime() + minutes * MINUTE_MS),
    settledAt: isOver ? now : undefined,
  }
}

function failing(name: string, { tries, failure = '' }: NoticeRecord): Finding {
  return {
    severity: 'error',
    code: 'notifier-failing',
    subject: name,
    message: `it did not take a notice in ${tries} tries: ${failure}`,
    hint: `Try it with: lifeboat notify test ${name}`,
  }
}
