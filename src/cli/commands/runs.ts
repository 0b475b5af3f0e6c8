import { formatDuration } from '../../base/durations.ts'
import { formatTime } from '../../base/times.ts'
import type { Attempt } from '../../catalog/catalog.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { ListedRun, RunState } from '../../operations/runs/runs.ts'
import type { Printed } from '../../outputs/outputs.ts'
import { runJson } from '../../outputs/runs.ts'
import type { Call, Command } from '../command.ts'
import { type Column, counted, formatFindings, formatTable } from '../printers/text.ts'
import type { Paint } from '../terminal.ts'

const DEFAULT_COUNT = 20

export const runs: Command<Printed<'runs'>> = {
  name: 'runs',
  summary: 'list past and running operations',
  description: [
    'Every command that changes something is a run, listed from the moment it begins. A "killed" run is one whose process is gone without recording how it ended. A run has one attempt for each source and repository.',
  ],
  arguments: [{ name: 'run', summary: 'id of a run, or its first digits: show its details' }],
  options: [
    { flags: '-n, --last <count>', summary: `only the newest (default: ${DEFAULT_COUNT})` },
    { flags: '--source <name>', summary: 'only runs of this source', complete: 'sources' },
    { flags: '--operation <name>', summary: 'only runs of this operation: backup, restore, undo, verify, ...' },
  ],
  examples: [
    { command: 'lifeboat runs', explains: 'the newest' },
    { command: 'lifeboat runs 5b0c9f3e', explains: 'one run, with its attempts and findings' },
    {
      command: 'lifeboat runs --operation backup --last 1 --json',
      explains: 'how the last backup went, for monitoring',
    },
  ],
  run: async call => {
    const { getRun, listRuns } = await import('../../operations/runs/runs.ts')
    const app = await call.openApp()
    const id = call.values.text('run')
    if (id !== undefined) {
      const run = await getRun(app, id)
      return { json: [runJson(run)], text: describe(run, call.terminal.out) }
    }
    const listed = await listRuns(app, {
      source: call.values.text('source'),
      operation: call.values.text('operation'),
      limit: call.values.count('last', '--last') ?? DEFAULT_COUNT,
    })
    return { json: listed.map(runJson), text: table(listed, call) }
  },
}

export const runsCancel: Command<Printed<'runs cancel'>> = {
  name: 'runs cancel',
  summary: 'cancel a running operation',
  description: ['Stops its process as Ctrl-C would: whatever it was changing is left intact or rolled back.'],
  arguments: [{ name: 'run', summary: 'id of the run, or its first digits', required: true }],
  examples: [{ command: 'lifeboat runs cancel 5b0c9f3e', explains: 'cancel this backup' }],
  run: async call => {
    const { cancelRun } = await import('../../operations/runs/runs.ts')
    const run = await cancelRun(await call.openApp(), call.values.required('run'))
    const { pid } = run.owner
    return {
      json: { run: run.id, pid },
      text: `Told process ${pid} to end ${run.operation} ${shortId(run)}; "lifeboat runs ${shortId(run)}" shows how it ends.\n`,
    }
  },
}

const shortId = ({ id }: ListedRun): string => id.slice(0, SHORT_ID_DIGITS)

const STYLES = {
  done: 'green',
  running: 'cyan',
  incomplete: 'yellow',
  unknown: 'yellow',
  interrupted: 'yellow',
  failed: 'red',
  killed: 'red',
} as const satisfies Record<RunState, string>

function table(listed: readonly ListedRun[], call: Call): string {
  if (listed.length === 0) return 'No runs yet. Run "lifeboat backup" for the first.\n'
  const columns: Column<ListedRun>[] = [
    { title: 'RUN', value: shortId },
    { title: 'TIME', value: each => formatTime(each.startedAt) },
    { title: 'TOOK', value: each => tookOf(each) ?? '', right: true },
    { title: 'WHAT', value: each => (each.policy === undefined ? each.operation : `${each.operation} ${each.policy}`) },
    { title: 'OUTCOME', value: each => each.state },
    { title: 'OF', value: each => [...new Set(each.attempts.map(subjectOf))].join(', ') },
  ]
  return formatTable(columns, listed, call.terminal.out) + `${counted(listed.length, 'run')}\n`
}

function tookOf({ startedAt, end }: Pick<ListedRun, 'startedAt' | 'end'>): string | undefined {
  return end && formatDuration(end.finishedAt.getTime() - startedAt.getTime())
}

const subjectOf = ({ source, repository, operation }: Attempt): string =>
  [source, repository].filter(Boolean).join(' -> ') || operation

function describe(run: ListedRun, paint: Paint): string {
  const { operation, policy, state, startedAt, owner, end, attempts } = run
  const took = tookOf(run)
  const what = policy === undefined ? operation : `${operation} of policy ${policy}`
  return (
    `${what}, run ${run.id}: ${paint(STYLES[state], state)}\n` +
    `  ${formatTime(startedAt)}${took === undefined ? '' : `, ${took}`}, process ${owner.pid} on ${owner.hostname}\n` +
    attempts.map(attempt => describeAttempt(attempt, operation, paint)).join('') +
    formatFindings(end?.findings ?? [], paint)
  )
}

function describeAttempt(attempt: Attempt, ofRun: string, paint: Paint): string {
  const { startedAt, finishedAt, outcome, snapshot, findings } = attempt
  const took = formatDuration(finishedAt.getTime() - startedAt.getTime())
  const point = snapshot === undefined ? '' : `, snapshot ${snapshot.slice(0, SHORT_ID_DIGITS)}`
  const subject = subjectOf(attempt)
  // A backup has copies among its attempts.
  const what = attempt.operation === ofRun || subject === attempt.operation ? '' : `${attempt.operation} `
  return `${what}${subject}: ${paint(STYLES[outcome], outcome)}${point}, ${took}\n${formatFindings(findings, paint)}`
}
