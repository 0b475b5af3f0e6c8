import type { Finding } from '../../model/finding.ts'
import { type Caller, runRecorded } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import type { JournalEntry } from './journal.ts'
import { findLeftovers } from './leftovers.ts'
import { restorePlacesOf } from './restore-places.ts'
import { type SettledRestore, settleInterrupted } from './settle.ts'
import { settleCommand, undoCommand } from './typed-commands.ts'

/** Says what killed restores left. Changes nothing: any command may be a mere look. */
export async function nameInterrupted(
  workspace: Pick<Workspace, 'journal' | 'settings' | 'ownPlace'>,
  onFinding: (finding: Finding) => void,
): Promise<void> {
  const { journal, settings } = workspace
  for (const entry of await journal.listInterrupted()) onFinding(interrupted(entry))
  const own = [...settings.sources.keys()].map(name => workspace.ownPlace(name)).filter(place => place !== undefined)
  for (const finding of await findLeftovers(journal, own)) onFinding(finding)
  for (const path of await journal.listUnreadable()) onFinding(unreadable(path))
}

/** Brings to an end what killed restores left, of all targets or of one, and says so. */
export async function settleRestores(
  workspace: Workspace,
  target: string | undefined,
  caller: Caller,
): Promise<readonly SettledRestore[]> {
  const interrupted = await workspace.journal.listInterrupted()
  const meant = interrupted.filter(entry => target === undefined || entry.target === target)
  if (meant.length === 0) return []
  return await runRecorded(workspace, caller, { operation: 'settle' }, async run => {
    const tell = (finding: Finding): void => run.tell({ kind: 'finding', finding })
    for (const entry of meant) tell(settling(entry.target))
    const all = await settleInterrupted(restorePlacesOf(workspace, run), target)
    for (const settled of all) for (const finding of findingsOf(settled)) tell(finding)
    return all
  })
}

export function findingsOf(settled: SettledRestore): readonly Finding[] {
  return [describe(settled), ...settled.findings]
}

function interrupted(entry: JournalEntry): Finding {
  const { target, operation, run } = entry
  const what = operation === 'undo' ? 'an undo' : 'a restore'
  return {
    severity: 'warning',
    code: 'restore-interrupted',
    subject: target,
    message: `${what} (run ${run.slice(0, 8)}) was interrupted here, and is neither finished nor taken back`,
    hint: `Finish it or take it back with: ${settleCommand(entry)}`,
  }
}

/** It may take as long as a restore: said before. */
function settling(target: string): Finding {
  const message = 'a restore was interrupted here; it is being brought to an end'
  return { severity: 'info', code: 'restore-settling', subject: target, message }
}

const SAID: Readonly<Record<SettledRestore['outcome'], string>> = {
  finished: 'it was finished: what was restored is in place',
  'rolled-back': 'it was taken back: what was there is there again',
  untouched: 'it had changed nothing',
  unclear: 'it ended at its very commit: the database is whole, with what was restored or without',
  failed: 'it is not brought to an end yet',
}

function describe({ entry, outcome }: SettledRestore): Finding {
  const run = entry.run.slice(0, 8)
  const kept = outcome === 'finished' ? entry.kept.map(each => each.kept) : []
  return {
    severity: outcome === 'failed' ? 'error' : 'warning',
    code: 'restore-settled',
    subject: entry.target,
    message: `${entry.operation === 'undo' ? 'an undo' : 'a restore'} (run ${run}) was interrupted; ${SAID[outcome]}${kept.length === 0 ? '' : `, and what was there is kept as ${kept.join(', ')}`}`,
    ...hintFor(entry, outcome),
  }
}

function hintFor(entry: SettledRestore['entry'], outcome: SettledRestore['outcome']): { hint?: string } {
  if (outcome === 'untouched') return entry.existed ? {} : { hint: 'The same restore again goes on where it was.' }
  if (outcome === 'finished' && entry.kept.length > 0) {
    return { hint: `"${undoCommand(entry)}" puts that back. Remove it with: ${undoCommand(entry)} --discard` }
  }
  if (outcome === 'finished' || outcome === 'unclear') return { hint: `Take it back with: ${undoCommand(entry)}` }
  return {}
}

function unreadable(path: string): Finding {
  return {
    // As an interrupted restore is, which it may be; what the command was asked for is not affected.
    severity: 'warning',
    code: 'restore-journal-unreadable',
    subject: path,
    message: 'this record of a restore is damaged, or of a newer version: if that one was interrupted, nobody ends it',
    hint: 'Install the version of Lifeboat that wrote it and run the command again. If the file is damaged: check that its target is whole, look for *.before-* beside it, then move the file away.',
  }
}
