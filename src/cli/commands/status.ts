import { formatAgo, formatDuration } from '../../base/durations.ts'
import { formatTime } from '../../base/times.ts'
import type { SchedulerStatus, SourceStatus, Status } from '../../operations/status/status.ts'
import type { Printed } from '../../outputs/outputs.ts'
import { healthJson, statusJson } from '../../outputs/status.ts'
import type { Call, Command } from '../command.ts'
import { type Column, formatFindings, formatTable } from '../printers/text.ts'

export const status: Command<Printed<'status'>> = {
  name: 'status',
  summary: 'show what can be gone back to, how sure it is, and what is wrong',
  description: [
    'A line for each source: its newest recovery point, how old that is and may be, when one was last proven, in which repositories the newest one lives, and when the next is made. Below stands what is wrong, and what to type. All of it is read from the repositories, not from what runs said of themselves.',
    'How old a recovery point may be is the "rpo" of the policy; without one, 25 hours, or the time between two backups where that is longer.',
  ],
  examples: [
    { command: 'lifeboat status', explains: 'of everything' },
    { command: 'lifeboat status --json', explains: 'for scripts; "lifeboat health" is shorter' },
  ],
  run: async call => {
    const { takeStatus } = await import('../../operations/status/status.ts')
    const taken = await takeStatus(await call.openApp(), call.caller)
    return { json: statusJson(taken), text: table(taken, call) + footer(taken, call) }
  },
}

export const health: Command<Printed<'health'>> = {
  name: 'health',
  summary: 'say with the exit code whether all is well',
  description: [
    'For monitoring: ends with 0 when nothing is wrong that "lifeboat status" would show as an error, else with 1.',
  ],
  examples: [
    { command: 'lifeboat health --json', explains: 'with figures: backups, success rate, hours since the last' },
  ],
  run: async call => {
    const { takeHealth } = await import('../../operations/status/health.ts')
    const taken = await takeHealth(await call.openApp(), call.caller)
    const problems = formatFindings(taken.errors, call.terminal.out)
    return {
      json: healthJson(taken),
      text: taken.healthy ? 'All is well.\n' : problems,
      exitCode: taken.healthy ? 0 : 1,
    }
  },
}

function table({ sources, takenAt }: Status, call: Call): string {
  if (sources.length === 0) return 'No sources are configured.\n'
  const columns: Column<SourceStatus>[] = [
    { title: 'SOURCE', value: each => each.source },
    { title: 'NEWEST', value: each => (each.newest === undefined ? 'none' : formatTime(each.newest.time)) },
    { title: 'AGE', value: each => ageOf(each, takenAt) },
    {
      title: 'PROVEN',
      value: each =>
        each.proven === undefined ? 'never' : `${each.proven.proof} ${formatAgo(each.proven.at, takenAt)}`,
    },
    { title: 'IN', value: each => each.repositories.join(', ') },
    { title: 'NEXT', value: each => (each.next === undefined ? 'not scheduled' : formatTime(each.next.at)) },
  ]
  return formatTable(columns, sources, call.terminal.out)
}

function ageOf({ newest, allowedMs }: SourceStatus, now: Date): string {
  const limit = allowedMs === undefined ? '' : ` of ${formatDuration(allowedMs)}`
  return newest === undefined ? '' : `${formatDuration(now.getTime() - newest.time.getTime())}${limit}`
}

const SCHEDULER: Readonly<Record<SchedulerStatus['state'], string>> = {
  running: 'The scheduler runs',
  late: 'The scheduler stands still',
  stopped: 'The scheduler is stopped',
  none: 'No scheduler runs',
}

function footer({ scheduler, problems }: Status, call: Call): string {
  const running = scheduler.state === 'running' ? (scheduler.heartbeat?.running ?? []) : []
  const now = running.map(each => `${each.job} since ${formatTime(each.startedAt)}`)
  const what = now.length === 0 ? '' : `: ${now.join(', ')}`
  const end = problems.length === 0 ? 'Nothing is wrong.\n' : formatFindings(problems, call.terminal.out)
  return `${SCHEDULER[scheduler.state]}${what}.\n${end}`
}
