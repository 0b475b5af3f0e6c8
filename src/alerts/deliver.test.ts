import { expect, test } from 'vitest'
import { AppError } from '../base/errors.ts'
import type { NoticeRecord } from '../catalog/catalog.ts'
import type { Notice, Notifier } from '../notifiers/notifier.ts'
import { deliver, enqueue } from './deliver.ts'
import { noticeOf } from './notices.ts'

const NOW = new Date('2026-05-01T12:00:00Z')
const after = (minutes: number): Date => new Date(NOW.getTime() + minutes * 60_000)
const SIGNAL = new AbortController().signal
const notice = (subject: string): Notice =>
  noticeOf(
    'opened',
    { key: subject, finding: { severity: 'error', code: 'c', subject, message: 'm' }, openedAt: NOW, told: 1 },
    'host',
    NOW,
  )

function outbox() {
  const records = new Map<string, NoticeRecord>()
  return {
    records,
    saveNotice: async (record: NoticeRecord): Promise<void> => void records.set(record.id, record),
    listPendingNotices: async (): Promise<NoticeRecord[]> => [...records.values()].filter(each => !each.settledAt),
  }
}

/** Takes notices while `isUp`. */
class Channel implements Notifier {
  isUp = true
  readonly got: Notice[] = []
  closed = 0

  async send(sent: Notice): Promise<void> {
    if (!this.isUp) throw new AppError('notify-failed', 'it is down')
    this.got.push(sent)
  }

  async close(): Promise<void> {
    this.closed++
  }
}

test('sends each once, as it was written down', async () => {
  const [box, ops] = [outbox(), new Channel()]
  await enqueue(box, notice('app'), 'ops')
  await enqueue(box, notice('app'), 'ops')
  await enqueue(box, notice('docs'), 'ops')
  for (let round = 0; round < 3; round++)
    expect(await deliver(box, async () => ops, after(round), SIGNAL)).toEqual({
      sent: round === 0 ? 2 : 0,
      waiting: 0,
      findings: [],
    })
  expect(ops.got).toEqual([notice('app'), notice('docs')])
  expect(ops.closed).toBe(1)
})

test('one that fails is tried later, and keeps the others from nothing', async () => {
  const [box, down, up] = [outbox(), new Channel(), new Channel()]
  down.isUp = false
  const open = async (name: string): Promise<Notifier> => (name === 'down' ? down : up)
  for (const name of ['down', 'up']) await enqueue(box, notice('app'), name)
  expect(await deliver(box, open, NOW, SIGNAL)).toEqual({ sent: 1, waiting: 1, findings: [] })
  expect(up.got).toHaveLength(1)
  down.isUp = true
  await deliver(box, open, after(0.5), SIGNAL)
  expect(down.got).toEqual([])
  await deliver(box, open, after(1), SIGNAL)
  expect(down.got).toEqual([notice('app')])
})

test('one that keeps failing is a problem of its own; after three days its notices are given up', async () => {
  const [box, ops] = [outbox(), new Channel()]
  ops.isUp = false
  await enqueue(box, notice('app'), 'ops')
  const found = []
  for (const minutes of [0, 1, 6]) found.push((await deliver(box, async () => ops, after(minutes), SIGNAL)).findings)
  expect(found.map(each => each.map(finding => finding.code))).toEqual([[], [], ['notifier-failing']])
  expect(found[2]?.[0]).toMatchObject({ subject: 'ops', message: 'it did not take a notice in 3 tries: it is down' })
  await deliver(box, async () => ops, after(4 * 24 * 60), SIGNAL)
  expect(await box.listPendingNotices()).toEqual([])
})

test('one whose secret is missing fails the same way, and one that is configured no more gets nothing', async () => {
  const box = outbox()
  for (const name of ['broken', 'gone']) await enqueue(box, notice('app'), name)
  const open = async (name: string): Promise<undefined> => {
    if (name === 'broken') throw new AppError('config-invalid', 'the variable is not set')
  }
  await deliver(box, open, NOW, SIGNAL)
  expect((await box.listPendingNotices()).map(each => [each.notifier, each.failure])).toEqual([
    ['broken', 'the variable is not set'],
  ])
})

test('says what to type, and nothing about what is over but how long it lasted', () => {
  const alert = {
    key: 'k',
    finding: {
      severity: 'error' as const,
      code: 'c',
      subject: 'app',
      message: 'it is old',
      hint: 'Type: lifeboat backup app',
    },
    openedAt: NOW,
    told: 1,
  }
  expect(noticeOf('opened', alert, 'h', NOW)).toMatchObject({
    title: 'error: app: it is old',
    text: 'app: it is old\nType: lifeboat backup app',
  })
  expect(noticeOf('reminder', alert, 'h', after(60))).toMatchObject({
    title: 'still: error: app: it is old',
    text: 'app: it is old\nIt is so since 1 h ago.\nType: lifeboat backup app',
  })
  expect(noticeOf('closed', alert, 'h', after(60))).toMatchObject({
    title: 'resolved: app: it is old',
    text: 'app: it is old\nIt lasted 1 h.',
  })
})
