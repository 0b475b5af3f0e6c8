import { randomUUID } from 'node:crypto'
import type { App } from '../../app.ts'
import { formatDuration } from '../../base/durations.ts'
import { AppError } from '../../base/errors.ts'
import { formatTime } from '../../base/times.ts'
import type { Report } from '../../model/report.ts'
import type { JournalEntry } from '../../operations/restore/journal.ts'
import type { RestorePlaces } from '../../operations/restore/places.ts'
import { SETTLE } from '../../operations/restore/settle.ts'
import type { UndoResult } from '../../operations/undo/undo.ts'
import type { Call, Command, Output } from '../command.ts'
import { counted, formatFindings } from '../printers/text.ts'
import { checkReportOption, REPORT_OPTION, saveReport } from '../reports.ts'
import { askForYes } from '../restore/confirm.ts'
import { listRestores } from '../restore/list-restores.ts'
import { restorePlaces } from '../restore/places.ts'
import { describeWritten, findWritten, type WrittenSince } from '../restore/written.ts'

export const undo: Command = {
  name: 'undo',
  summary: 'put back what was there before a restore',
  description: [
    'Each restore makes what was at its target safe before it changes it. Undo takes back what the restore changed, and nothing else: of a restored table, that table. What the application wrote there since is counted and named before, and made safe: an undo can be undone.',
  ],
  arguments: [{ name: 'run', summary: 'id of the restore, or its first digits (default: the last one)' }],
  options: [
    { flags: '-l, --list', summary: 'list the restores, oldest first, and which can be undone' },
    {
      flags: '--discard',
      summary: 'remove what the restore kept beside (a database, a folder), for its space: it can’t be undone then',
    },
    {
      flags: '--settle',
      summary: 'finish restores that were interrupted, or take them back: whatever leaves their targets whole',
    },
    { flags: '-y, --yes', summary: 'do not ask first' },
    REPORT_OPTION,
  ],
  examples: [
    { command: 'lifeboat undo', explains: 'the last restore' },
    { command: 'lifeboat undo --list', explains: 'which there are' },
    { command: 'lifeboat undo 5b0c9f3e --yes', explains: 'this one, from a script' },
    { command: 'lifeboat undo 5b0c9f3e --discard', explains: 'all is well: give the space back' },
    { command: 'lifeboat undo --settle', explains: 'after a restore was killed' },
  ],
  run: async call => {
    await checkReportOption(call)
    const app = await call.openApp()
    const places = await restorePlaces(app)
    const entries = await places.journal.list()
    if (call.values.flag('list')) return await listRestores(call, places, entries)
    if (call.values.flag('settle')) return await settle(call, app)
    const operation = await import('../../operations/undo/undo.ts')
    const run = call.values.text('run')
    const open = await places.journal.listInterrupted()
    // "The last one" is not the one before an interrupted one.
    if (run === undefined) requireSettled(open)
    const entry = operation.findUndoable(entries, run)
    requireSettled(open.filter(each => each.target === entry.target))
    if (!call.values.flag('discard')) await operation.requireWayBack(places, entry)
    const written = call.values.flag('discard') ? undefined : await findWritten(places, entry)
    await confirm(call, entry, written)
    if (call.values.flag('discard')) return await discardKept(places, entry)
    const startedAt = app.clock.now()
    const result = { ...(await carryOut(call, places, entry)), written }
    const durationMs = app.clock.now().getTime() - startedAt.getTime()
    await saveReport(call, app, undoReport(result, startedAt, durationMs))
    return { json: toJson(result, durationMs), text: describe(result, durationMs, call), findings: result.findings }
  },
}

function requireSettled([open]: readonly JournalEntry[]): void {
  if (open === undefined) return
  throw new AppError('target-in-use', `run ${shortRun(open)} was interrupted, and is neither finished nor taken back`, {
    hint: `Its target is ${open.target}. First finish it or take it back with: ${SETTLE}`,
  })
}

async function settle(call: Call, app: App): Promise<Output> {
  const { findingsOf, settleRestores } = await import('../restore/unfinished.ts')
  const settled = await settleRestores(call, app)
  const failed = settled.filter(({ outcome }) => outcome === 'failed').length
  const json = settled.map(each => ({
    run: each.entry.run,
    source: each.entry.source,
    target: each.entry.target,
    outcome: each.outcome,
    findings: findingsOf(each),
  }))
  const text =
    settled.length === 0
      ? 'No restore was interrupted.\n'
      : `Settled ${counted(settled.length - failed, 'interrupted restore')}${failed === 0 ? '' : `, ${failed} failed`}\n`
  return { json, text, exitCode: failed === 0 ? 0 : 1 }
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

async function confirm(call: Call, entry: JournalEntry, written: WrittenSince): Promise<void> {
  if (call.values.flag('yes')) return
  const before = formatTime(new Date(entry.startedAt))
  const what = `${entry.target} as it was before ${before}`
  const does = call.values.flag('discard') ? `removes for good ${what}` : `puts back ${what}`
  if (!call.terminal.interactive || call.json) {
    throw new AppError('target-exists', `this ${does}${written?.length ? `; ${describeWritten(written)}` : ''}`, {
      hint: 'Add --yes to do it.',
      context: { written },
    })
  }
  const warning = call.values.flag('discard') ? '' : `${warningOf(written)}\n`
  await askForYes(call, `This ${does}.\n${warning}`)
}

function warningOf(written: WrittenSince): string {
  if (written === undefined) return 'What was written there since goes with it; it is made safe first.'
  if (written.length === 0) return 'Nothing was written there since.'
  return `${sentence(describeWritten(written))} That goes with it; it is made safe first.`
}

const sentence = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`

const shortRun = ({ run }: { readonly run: string }): string => run.slice(0, 8)

type Undone = UndoResult & { readonly written: WrittenSince }

function toJson({ entry, undone, written, ...result }: Undone, durationMs: number): unknown {
  return {
    ...result,
    undone: undone.run,
    source: undone.source,
    safety: result.safety ?? null,
    safetySnapshot: entry.safety?.snapshot ?? null,
    written: written?.map(each => ({ ...each, written: each.written ?? null })) ?? null,
    kept: entry.kept,
    durationMs,
  }
}

function describe(result: Undone, durationMs: number, call: Call): string {
  const { undone, from, safety, written } = result
  const origin = from === 'kept' ? 'it was kept beside' : `from snapshot ${safety?.slice(0, 8) ?? ''}`
  return (
    `Undid restore ${shortRun(undone)}: ${call.terminal.out('bold', result.target)} is as it was before ${formatTime(new Date(undone.startedAt))}\n` +
    `  ${origin}, ${formatDuration(durationMs)}; take that back with: lifeboat undo ${shortRun(result)}\n` +
    (written?.length
      ? `  ${describeWritten(written)}. The undo took that away; undoing the undo brings it back.\n`
      : '') +
    formatFindings(result.findings, call.terminal.out)
  )
}

function undoReport(result: Undone, startedAt: Date, durationMs: number): Report {
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
      ...(result.written?.length ? [{ name: 'went with it', value: describeWritten(result.written) }] : []),
      { name: 'taken from', value: result.from === 'kept' ? 'kept beside' : `snapshot ${result.safety ?? ''}` },
    ],
    steps: result.steps,
    checks: [],
    tables: [],
    findings: result.findings,
    next: [{ command: `lifeboat undo ${shortRun(result)}`, explains: 'takes this back' }],
  }
}
