import { describe, expect, test } from 'vitest'
import type { Notice, Notifier } from '../../src/notifiers/notifier.ts'

export interface NotifierUnderTest {
  readonly open: () => Promise<Notifier>
  /** All that has arrived, as text. */
  readonly arrived: () => string
  /** From now on it takes nothing, and says something that holds a secret. */
  readonly breakDown: () => void
  /** What must never be seen in an error. */
  readonly secrets: readonly string[]
}

export const NOTICE: Notice = {
  id: '0123456789abcdef',
  event: 'opened',
  severity: 'error',
  code: 'recovery-point-overdue',
  subject: 'app',
  title: 'error: app: größer als 25 h – "alt" <!channel> @everyone',
  text: 'app: it is old\nBack it up with: lifeboat backup app',
  host: 'host-1',
  at: new Date('2026-05-01T12:00:00Z'),
  since: new Date('2026-05-01T11:00:00Z'),
}

/** What every way to tell people promises. */
export function testNotifierContract(kind: string, make: () => Promise<NotifierUnderTest>): void {
  describe(`notifier ${kind}`, () => {
    const signal = new AbortController().signal

    test('a notice arrives, with its text whole', async () => {
      const { open, arrived } = await make()
      const notifier = await open()
      await notifier.send(NOTICE, signal)
      await notifier.send({ ...NOTICE, id: '1', title: 'resolved: app', event: 'closed' }, signal)
      await notifier.close()
      expect(arrived()).toContain('größer als 25 h – ')
      expect(arrived()).toContain('lifeboat backup app')
      expect(arrived()).toContain('resolved: app')
    })

    test('a failure is notify-failed, and holds no secret', async () => {
      const { open, breakDown, secrets } = await make()
      const notifier = await open()
      breakDown()
      const error: unknown = await notifier.send(NOTICE, signal).catch((caught: unknown) => caught)
      await notifier.close()
      expect(error).toMatchObject({ code: 'notify-failed', hint: expect.any(String) })
      for (const secret of secrets) expect(JSON.stringify([error, String(error)])).not.toContain(secret)
    })
  })
}
