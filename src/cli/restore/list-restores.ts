import type { App } from '../../app/app.ts'
import { formatTime } from '../../base/times.ts'
import type { JournalEntry } from '../../operations/restore/journal.ts'
import type { WayBack } from '../../operations/undo/ways-back.ts'
import type { Printed } from '../../outputs/outputs.ts'
import { undoableJson } from '../../outputs/restore.ts'
import type { Call, Output } from '../command.ts'
import { type Column, counted, formatTable } from '../printers/text.ts'

/** What was restored from here, oldest first, and whether it can be undone: as things are, not as they were. */
export async function printRestores(call: Call, app: App): Promise<Output<Printed<'undo'>>> {
  const { listRestores } = await import('../../operations/undo/undo-restore.ts')
  const listed = await listRestores(app, call.caller)
  const entries = listed.map(({ entry }) => entry)
  const ways = new Map(listed.map(({ entry, way }) => [entry.run, way]))
  const whyOf = ({ run }: JournalEntry): string | undefined => whyNot(ways.get(run))
  const columns: Column<JournalEntry>[] = [
    { title: 'RUN', value: each => each.run.slice(0, 8) },
    { title: 'TIME', value: each => formatTime(new Date(each.startedAt)) },
    { title: 'WHAT', value: each => (each.operation === 'undo' ? 'undo' : `restore, ${each.strategy}`) },
    { title: 'SOURCE', value: each => each.source },
    { title: 'OUTCOME', value: each => whyOf(each) ?? 'can be undone' },
    { title: 'TARGET', value: each => each.target },
  ]
  const text =
    entries.length === 0
      ? 'Nothing was restored from here yet.\n'
      : `${formatTable(columns, entries, call.terminal.out)}${counted(entries.length, 'run')}\n`
  return { json: listed.map(undoableJson), text }
}

function whyNot(way: WayBack | undefined): string | undefined {
  return way === undefined || way.open ? undefined : way.why
}
