import { deliver, enqueue } from '../alerts/deliver.ts'
import { judge } from '../alerts/judge.ts'
import { noticeOf, testNotice } from '../alerts/notices.ts'
import type { App } from '../app/app.ts'
import { AppError, isAppError } from '../base/errors.ts'
import type { AlertRecord } from '../catalog/catalog.ts'
import type { Finding } from '../model/finding.ts'
import type { Notice } from '../notifiers/notifier.ts'
import { takeStatus } from '../operations/status/status.ts'
import type { Caller } from '../operations/workspace/run.ts'

export interface Watched {
  /** Open now. */
  readonly alerts: readonly AlertRecord[]
  /** Notices that a notifier took just now. */
  readonly told: number
  /** Notices that nobody took yet: they are tried again. */
  readonly waiting: number
  /** What is wrong with telling. */
  readonly findings: readonly Finding[]
}

/** Looks whether all is well, and tells who is to be told. */
export async function watchOver(app: App, caller: Caller): Promise<Watched> {
  const signal = caller.signal ?? new AbortController().signal
  const { catalog, clock } = app
  const { problems, unknown } = await takeStatus(app, caller)
  const open = (name: string) => app.openNotifier(name)
  // What could not be told before, first: it is a problem of its own.
  const before = await deliver(catalog, open, clock.now(), signal)
  const now = clock.now()
  const known = await catalog.listAlerts({ closed: 0 })
  const listenersTo = (finding: Finding): string[] => {
    const severity = finding.severity === 'error' ? 'error' : 'warning'
    return [...app.config.notifiers].filter(([, { on }]) => on.includes(severity)).map(([name]) => name)
  }
  const { alerts, tell } = judge(
    known,
    {
      findings: [...problems, ...before.findings],
      unknown: new Set(unknown),
      isHeard: finding => listenersTo(finding).length > 0,
    },
    now,
  )
  for (const { event, alert } of tell) {
    for (const name of listenersTo(alert.finding)) {
      await enqueue(catalog, noticeOf(event, alert, app.host.hostname, now), name)
    }
  }
  // After its notices were written down: a kill in between tells twice, never not at all.
  for (const alert of alerts) await catalog.saveAlert(alert)
  const after = tell.length === 0 ? { ...before, sent: 0 } : await deliver(catalog, open, now, signal)
  const isWell = problems.every(problem => problem.severity !== 'error')
  return {
    alerts: alerts.filter(alert => alert.closedAt === undefined),
    told: before.sent + after.sent,
    waiting: after.waiting,
    findings: [...after.findings, ...(await pingOut(app, isWell, signal))],
  }
}

async function pingOut(app: App, isWell: boolean, signal: AbortSignal): Promise<Finding[]> {
  try {
    await app.ping(isWell, signal)
    return []
  } catch (error) {
    const { message } = ordinary(error)
    const hint = 'Look at "ping" in the configuration.'
    return [{ severity: 'warning', code: 'ping-failed', subject: 'ping', message, hint }]
  }
}

export interface Tested {
  readonly notice: Notice
  readonly sent: ReadonlyArray<{ readonly name: string; readonly failure: AppError | undefined }>
}

/** Sends a test to each of them; with none, only says what would be sent. */
export async function sendTest(app: App, names: readonly string[], caller: Caller): Promise<Tested> {
  const signal = caller.signal ?? new AbortController().signal
  const notice = testNotice(app.host.hostname, app.clock.now())
  const sent: { name: string; failure: AppError | undefined }[] = []
  for (const name of names) {
    const failure = await tryNotifier(app, name, notice, signal).then(() => undefined, ordinary)
    sent.push({ name, failure })
  }
  return { notice, sent }
}

async function tryNotifier(app: App, name: string, notice: Notice, signal: AbortSignal): Promise<void> {
  const notifier = await app.openNotifier(name)
  try {
    await notifier?.send(notice, signal)
  } finally {
    await notifier?.close()
  }
}

/** What may happen to one and must not stop the others; anything else is thrown. */
function ordinary(error: unknown): AppError {
  if (error instanceof AppError && !isAppError(error, 'interrupted')) return error
  throw error
}
