import type { App } from '../../app/app.ts'
import { formatDuration } from '../../base/durations.ts'
import { AppError } from '../../base/errors.ts'
import { formatTime } from '../../base/times.ts'
import type { JournalEntry } from '../../operations/restore/journal.ts'
import { undoCommand } from '../../operations/restore/typed-commands.ts'
import { describeWritten } from '../../operations/undo/describe-written.ts'
import type { Undone, UndoPlan } from '../../operations/undo/undo-restore.ts'
import type { Printed } from '../../outputs/outputs.ts'
import { settledJson, undoneJson } from '../../outputs/restore.ts'
import type { Call, Command, Output } from '../command.ts'
import { counted, formatFindings } from '../printers/text.ts'
import { checkReportOption, REPORT_OPTION, writeReports } from '../reports.ts'
import { withFindings } from '../restore/bring-back.ts'
import { askForYes } from '../restore/confirm.ts'
import { printRestores } from '../restore/list-restores.ts'

export const undo: Command<Printed<'undo'>> = {
  name: 'undo',
  summary: 'undo a restore',
  description: [
    'Every restore backs up its target before changing it. Undo takes back what the restore changed and nothing else: if one table was restored, that table. Rows the application has written there since are counted and shown first, and backed up: an undo can be undone.',
  ],
  arguments: [{ name: 'run', summary: 'id of the restore, or its first digits (default: the last one)' }],
  options: [
    { flags: '-l, --list', summary: 'list restores, oldest first, and which can be undone' },
    {
      flags: '--discard',
      summary: 'delete what the restore kept (a database, a folder) to free space; it can no longer be undone',
    },
    {
      flags: '--settle',
      summary: 'finish or roll back interrupted restores, whichever leaves their targets intact',
    },
    { flags: '-y, --yes', summary: 'do not ask first' },
    REPORT_OPTION,
  ],
  examples: [
    { command: 'lifeboat undo', explains: 'the last restore' },
    { command: 'lifeboat undo --list', explains: 'list restores' },
    { command: 'lifeboat undo 5b0c9f3e --yes', explains: 'a specific restore, from a script' },
    { command: 'lifeboat undo 5b0c9f3e --discard', explains: 'all is well: free the space' },
    { command: 'lifeboat undo --settle', explains: 'after a restore was killed' },
  ],
  run: async call => {
    await checkReportOption(call)
    const app = await call.openApp()
    if (call.values.flag('list')) return await printRestores(call, app)
    if (call.values.flag('settle')) return await settle(call, app)
    const run = call.values.text('run')
    if (call.values.flag('discard')) return await discard(call, app, run)
    const operation = await import('../../operations/undo/undo-restore.ts')
    const plan = await operation.planUndo(app, run, call.caller)
    await confirm(call, plan.entry, { does: 'puts back', written: plan.written })
    const done = await operation.undoRestore(app, plan, call.caller).catch((error: unknown) => {
      throw withFindings(error)
    })
    await writeReports(call)
    return { json: undoneJson(done), text: describe(done, call), findings: done.result.findings }
  },
}

async function settle(call: Call, app: App): Promise<Output<Printed<'undo'>>> {
  const { settleRestores } = await import('../../operations/restore/unfinished.ts')
  const settled = await settleRestores(app, undefined, call.caller)
  const failed = settled.filter(({ outcome }) => outcome === 'failed').length
  const text =
    settled.length === 0
      ? 'No restore was interrupted.\n'
      : `Settled ${counted(settled.length - failed, 'interrupted restore')}${failed === 0 ? '' : `, ${failed} failed`}\n`
  return { json: settled.map(settledJson), text, exitCode: failed === 0 ? 0 : 1 }
}

async function discard(call: Call, app: App, run: string | undefined): Promise<Output<Printed<'undo'>>> {
  const { discardKept, planDiscard } = await import('../../operations/undo/undo-restore.ts')
  const plan = await planDiscard(app, run)
  await confirm(call, plan.entry, { does: 'removes for good' })
  const removed = await discardKept(app, plan, call.caller)
  const names = removed.map(each => each.kept)
  const text = `Removed ${names.join(', ')}: restore ${shortRun(plan.entry)} can no longer be undone\n`
  return { json: { discarded: plan.entry.run, removed }, text }
}

type Question =
  | { readonly does: 'removes for good' }
  | { readonly does: 'puts back'; readonly written: UndoPlan['written'] }

async function confirm(call: Call, entry: JournalEntry, question: Question): Promise<void> {
  if (call.values.flag('yes')) return
  const what = `${question.does} ${entry.target} as it was before ${formatTime(new Date(entry.startedAt))}`
  const written = question.does === 'puts back' ? question.written : undefined
  if (!call.terminal.interactive || call.json) {
    throw new AppError('target-exists', `this ${what}${written?.length ? `; ${describeWritten(written)}` : ''}`, {
      hint: 'Add --yes to do it.',
      context: { written },
    })
  }
  const warning = question.does === 'puts back' ? `${warningOf(written)}\n` : ''
  await askForYes(call, `This ${what}.\n${warning}`)
}

function warningOf(written: UndoPlan['written']): string {
  if (written === undefined) return 'What was written there since goes with it; it is made safe first.'
  if (written.length === 0) return 'Nothing was written there since.'
  return `${sentence(describeWritten(written))} That goes with it; it is made safe first.`
}

const sentence = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`

const shortRun = ({ run }: { readonly run: string }): string => run.slice(0, 8)

function describe({ plan: { written }, result, durationMs }: Undone, call: Call): string {
  const { undone, from, safety } = result
  const origin = from === 'kept' ? 'it was kept beside' : `from snapshot ${safety?.slice(0, 8) ?? ''}`
  return (
    `Undid restore ${shortRun(undone)}: ${call.terminal.out('bold', result.target)} is as it was before ${formatTime(new Date(undone.startedAt))}\n` +
    `  ${origin}, ${formatDuration(durationMs)}; take that back with: ${undoCommand(result.entry)}\n` +
    (written?.length
      ? `  ${describeWritten(written)}. The undo took that away; undoing the undo brings it back.\n`
      : '') +
    formatFindings(result.findings, call.terminal.out)
  )
}
