import { randomUUID } from 'node:crypto'
import { formatDuration } from '../../base/durations.ts'
import { AppError } from '../../base/errors.ts'
import { formatTime } from '../../base/times.ts'
import type { Report } from '../../model/report.ts'
import type { JournalEntry } from '../../operations/restore/journal.ts'
import type { RestorePlaces } from '../../operations/restore/places.ts'
import type { UndoResult } from '../../operations/undo/undo.ts'
import type { Call, Command, Output } from '../command.ts'
import { type Column, counted, formatFindings, formatTable } from '../printers/text.ts'
import { checkReportOption, REPORT_OPTION, saveReport } from '../reports.ts'
import { askForYes } from '../restore/confirm.ts'
import { restorePlaces } from '../restore/places.ts'

export const undo: Command = {
  name: 'undo',
  summary: 'put back what was there before a restore',
  description: [
    'Each restore makes what was at its target safe before it changes it. Undo puts that back, in one step, and makes safe what it takes away: an undo can be undone. What the application wrote since the restore goes with it.',
  ],
  arguments: [{ name: 'run', summary: 'id of the restore, or its first digits (default: the last one)' }],
  options: [
    { flags: '-l, --list', summary: 'list the restores, oldest first, and which can be undone' },
    {
      flags: '--discard',
      summary: 'remove what the restore kept beside (a database, a folder), for its space: it can’t be undone then',
    },
    { flags: '-y, --yes', summary: 'do not ask first' },
    REPORT_OPTION,
  ],
  examples: [
    { command: 'lifeboat undo', explains: 'the last restore' },
    { command: 'lifeboat undo --list', explains: 'which there are' },
    { command: 'lifeboat undo 5b0c9f3e --yes', explains: 'this one, from a script' },
    { command: 'lifeboat undo 5b0c9f3e --discard', explains: 'all is well: give the space back' },
  ],
  run: async call => {
    await checkReportOption(call)
    const app = await call.openApp()
    const places = await restorePlaces(app)
    const entries = await places.journal.list()
    if (call.values.flag('list')) return listing(entries, call)
    const operation = await import('../../operations/undo/undo.ts')
    const entry = operation.findUndoable(entries, call.values.text('run'))
    await confirm(call, entry)
    if (call.values.flag('discard')) return await discardKept(places, entry)
    const startedAt = app.clock.now()
    const result = await carryOut(call, places, entry)
    const durationMs = app.clock.now().getTime() - startedAt.getTime()
    await saveReport(call, app, undoReport(result, startedAt, durationMs))
    return { json: toJson(result, durationMs), text: describe(result, durationMs, call) }
  },
}

async function discardKept(places: RestorePlaces, entry: JournalEntry): Promise<Output> {
  const { discard } = await import('../../operations/undo/undo.ts')
  const removed = await discard(places, entry)
  const names = removed.map(each => each.kept)
  const text = `Removed ${names.join(', ')}: restore ${shortRun(entry)} can no longer be undone\n`
  return { json: { discarded: entry.run, removed }, text }
}

async function carryOut(call: Call, places: RestorePlaces, entry: JournalEntry): Promise<UndoResult> {
  const operation = await import('../../operations/undo/undo.ts')
  call.progress.update({ label: `undo at ${entry.target}`, done: 0, total: undefined, unit: 'bytes' })
  return await operation.undo({ places, entry, run: randomUUID() })
}

async function confirm(call: Call, entry: JournalEntry): Promise<void> {
  if (call.values.flag('yes')) return
  const before = formatTime(new Date(entry.startedAt))
  const what = `${entry.target} as it was before ${before}`
  const does = call.values.flag('discard') ? `removes for good ${what}` : `puts back ${what}`
  if (!call.terminal.interactive || call.json) {
    throw new AppError('target-exists', `this ${does}`, { hint: 'Add --yes to do it.' })
  }
  const warning = call.values.flag('discard')
    ? ''
    : 'What was written there since goes with it; it is made safe first.\n'
  await askForYes(call, `This ${does}.\n${warning}`)
}

const shortRun = ({ run }: { readonly run: string }): string => run.slice(0, 8)

function toJson({ entry, undone, ...result }: UndoResult, durationMs: number): unknown {
  return {
    ...result,
    undone: undone.run,
    source: undone.source,
    safety: result.safety ?? null,
    safetySnapshot: entry.safety?.snapshot ?? null,
    kept: entry.kept,
    durationMs,
  }
}

function describe(result: UndoResult, durationMs: number, call: Call): string {
  const { undone, from, safety } = result
  const origin = from === 'kept' ? 'it was kept beside' : `from snapshot ${safety?.slice(0, 8) ?? ''}`
  return (
    `Undid restore ${shortRun(undone)}: ${call.terminal.out('bold', result.target)} is as it was before ${formatTime(new Date(undone.startedAt))}\n` +
    `  ${origin}, ${formatDuration(durationMs)}; take that back with: lifeboat undo ${shortRun(result)}\n` +
    formatFindings(result.findings, call.terminal.out)
  )
}

function undoReport(result: UndoResult, startedAt: Date, durationMs: number): Report {
  const { undone, target } = result
  return {
    title: `undo of the restore ${shortRun(undone)}`,
    outcome: 'done',
    verdict: `${target} is as it was before ${formatTime(new Date(undone.startedAt))}`,
    run: result.run,
    startedAt,
    durationMs,
    facts: [
      { name: 'source', value: undone.source },
      { name: 'target', value: target },
      { name: 'taken from', value: result.from === 'kept' ? 'kept beside' : `snapshot ${result.safety ?? ''}` },
    ],
    steps: result.steps,
    checks: [],
    tables: [],
    findings: result.findings,
    next: [{ command: `lifeboat undo ${shortRun(result)}`, explains: 'takes this back' }],
  }
}

function listing(entries: readonly JournalEntry[], call: Call): Output {
  const columns: Column<JournalEntry>[] = [
    { title: 'RUN', value: shortRun },
    { title: 'TIME', value: each => formatTime(new Date(each.startedAt)) },
    { title: 'WHAT', value: each => (each.operation === 'undo' ? 'undo' : `restore, ${each.strategy}`) },
    { title: 'SOURCE', value: each => each.source },
    { title: 'OUTCOME', value: outcomeOf },
    { title: 'TARGET', value: each => each.target },
  ]
  const json = entries.map(each => ({
    run: each.run,
    startedAt: each.startedAt,
    operation: each.operation,
    strategy: each.strategy,
    source: each.source,
    target: each.target,
    phase: each.phase,
    canUndo: canUndo(each),
    undoneBy: each.undoneBy ?? null,
  }))
  const text =
    entries.length === 0
      ? 'Nothing was restored from here yet.\n'
      : `${formatTable(columns, entries, call.terminal.out)}${counted(entries.length, 'run')}\n`
  return { json, text }
}

function canUndo(entry: JournalEntry): boolean {
  return entry.phase === 'done' && entry.undoneBy === undefined && (entry.kept.length > 0 || entry.safety !== undefined)
}

function outcomeOf(entry: JournalEntry): string {
  if (entry.undoneBy !== undefined) return `undone by ${entry.undoneBy.slice(0, 8)}`
  if (entry.phase === 'rolled-back') return 'taken back'
  if (entry.phase !== 'done') return entry.phase
  return canUndo(entry) ? 'can be undone' : 'to a new place'
}
