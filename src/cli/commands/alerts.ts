import { formatAgo } from '../../base/durations.ts'
import { AppError } from '../../base/errors.ts'
import { formatTime } from '../../base/times.ts'
import type { AlertRecord } from '../../catalog/catalog.ts'
import { alertJson } from '../../outputs/alerts.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Command } from '../command.ts'
import { type Column, counted, formatFindings, formatTable } from '../printers/text.ts'
import { futureOption } from '../time-options.ts'

const CLOSED = 20
const LONGEST_SILENCE_MS = 30 * 86_400_000

export const alerts: Command<Printed<'alerts'>> = {
  name: 'alerts',
  summary: 'list what is wrong and since when',
  description: [
    'An alert opens when something is found to be wrong, and is told once to those in "notify"; again after 1, 3 and 7 days and then each week, and once more when it is over.',
  ],
  options: [{ flags: '--closed', summary: 'also the last ones that are over' }],
  examples: [
    { command: 'lifeboat alerts', explains: 'those that are open' },
    { command: 'lifeboat alerts --closed', explains: 'what was wrong lately, too' },
  ],
  run: async call => {
    const app = await call.openApp()
    const found = await app.catalog.listAlerts({ closed: call.values.flag('closed') ? CLOSED : 0 })
    return { json: found.map(alertJson), text: found.length === 0 ? 'Nothing is wrong.\n' : table(found, call) }
  },
}

export const alertsCheck: Command<Printed<'alerts check'>> = {
  name: 'alerts check',
  summary: 'look whether all is well, and tell those in "notify"',
  description: ['What "lifeboat serve" does every 15 minutes. Without it, let cron run this.'],
  examples: [{ command: 'lifeboat alerts check', explains: 'now' }],
  run: async call => {
    const { watchOver } = await import('../../daemon/watch.ts')
    const { alerts: open, told, waiting, findings } = await watchOver(await call.openApp(), call.caller)
    return {
      json: { alerts: open.map(alertJson), told, waiting, findings: [...findings] },
      text: `${counted(open.length, 'alert')} open, ${counted(told, 'notice')} sent${waitingText(waiting)}\n${formatFindings(findings, call.terminal.out)}`,
    }
  },
}

function waitingText(waiting: number): string {
  if (waiting === 0) return ''
  return `, ${waiting} not taken yet and tried again later; see why with: lifeboat notify test`
}

export const alertsSilence: Command<Printed<'alerts silence'>> = {
  name: 'alerts silence',
  summary: 'stop telling of an alert, for a time',
  description: ['It stays in the list. If it is still open when the silence ends, it is told again.'],
  arguments: [
    { name: 'code', summary: 'of the alert, as "lifeboat alerts" shows it', required: true },
    { name: 'subject', summary: 'what it is about (default: all of this code)' },
  ],
  options: [{ flags: '--until <time>', summary: 'when the silence ends, like 2h or 3d (default: 1d; at most 30d)' }],
  examples: [
    { command: 'lifeboat alerts silence copy-behind app --until 3d', explains: 'the line is down until then' },
  ],
  run: async call => {
    const app = await call.openApp()
    const now = call.clock.now().getTime()
    const until = futureOption(call, 'until') ?? new Date(now + 86_400_000)
    if (until.getTime() <= now || until.getTime() > now + LONGEST_SILENCE_MS) {
      throw new AppError('usage', 'a silence ends within the next 30 days', { hint: 'Give --until a time like 3d.' })
    }
    const [code, subject] = [call.values.required('code'), call.values.text('subject')]
    const open = await app.catalog.listAlerts({ closed: 0 })
    const chosen = open.filter(
      ({ finding }) => finding.code === code && (subject ?? finding.subject) === finding.subject,
    )
    if (chosen.length === 0) {
      throw new AppError('not-found', `no open alert is ${code}${subject === undefined ? '' : ` of ${subject}`}`, {
        hint: 'Run "lifeboat alerts" to see which there are.',
      })
    }
    const silenced = chosen.map(alert => ({ ...alert, silencedUntil: until }))
    for (const alert of silenced) await app.catalog.saveAlert(alert)
    return {
      json: silenced.map(alertJson),
      text: `${counted(silenced.length, 'alert')} silenced until ${formatTime(until)}\n`,
    }
  },
}

export const notifyTest: Command<Printed<'notify test'>> = {
  name: 'notify test',
  summary: 'send a test to those in "notify"',
  arguments: [{ name: 'names', summary: 'which of them (default: all)', variadic: true }],
  options: [{ flags: '-n, --dry-run', summary: 'only print what would be sent' }],
  examples: [{ command: 'lifeboat notify test ops', explains: 'see that it arrives' }],
  run: async call => {
    const { sendTest } = await import('../../daemon/watch.ts')
    const app = await call.openApp()
    const names = namesOf(call, [...app.config.notifiers.keys()])
    const { notice, sent } = await sendTest(app, call.values.flag('dryRun') ? [] : names, call.caller)
    const [failure] = sent.flatMap(each => each.failure ?? [])
    return {
      json: {
        title: notice.title,
        text: notice.text,
        sent: sent.map(each => ({ name: each.name, error: each.failure?.message ?? null })),
      },
      text:
        sent.length === 0 ? `To ${names.join(', ')}:\n${notice.title}\n${notice.text}\n` : sent.map(describe).join(''),
      exitCode: failure?.exitCode ?? 0,
    }
  },
}

function describe({ name, failure }: { readonly name: string; readonly failure: AppError | undefined }): string {
  if (failure === undefined) return `${name}: sent\n`
  return `${name}: ${failure.message}\n${failure.hint === undefined ? '' : `  ${failure.hint}\n`}`
}

function namesOf({ values }: Call, known: readonly string[]): readonly string[] {
  const wanted = values.list('names')
  const strange = wanted.find(name => !known.includes(name))
  if (strange !== undefined || known.length === 0) {
    throw new AppError(
      'usage',
      strange === undefined ? 'nobody is in "notify"' : `nobody in "notify" is called ${strange}`,
      {
        hint:
          known.length === 0
            ? 'Add "notify:" to the configuration: see docs/guide/operations.md.'
            : `There are: ${known.join(', ')}.`,
      },
    )
  }
  return wanted.length === 0 ? known : wanted
}

function table(found: readonly AlertRecord[], call: Call): string {
  const columns: Column<AlertRecord>[] = [
    { title: 'SINCE', value: each => formatTime(each.openedAt) },
    { title: 'STATE', value: stateOf },
    { title: 'CODE', value: each => each.finding.code },
    { title: 'SUBJECT', value: each => each.finding.subject },
    { title: 'TOLD', value: each => (each.toldAt === undefined ? 'no' : formatAgo(each.toldAt, call.clock.now())) },
    { title: 'MESSAGE', value: each => each.finding.message },
  ]
  return formatTable(columns, found, call.terminal.out)

  function stateOf({ closedAt, silencedUntil, finding }: AlertRecord): string {
    if (closedAt !== undefined) return 'over'
    return silencedUntil !== undefined && silencedUntil > call.clock.now() ? 'silenced' : finding.severity
  }
}
