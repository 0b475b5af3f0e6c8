import type { App } from '../../app.ts'
import type { Finding } from '../../model/finding.ts'
import { type SettledRestore, settleInterrupted } from '../../operations/restore/settle.ts'
import { restorePlaces } from './places.ts'

/** Brings to an end what killed restores left, and says so. Quick where there is nothing. */
export async function finishInterrupted(app: App, onFinding: (finding: Finding) => void): Promise<void> {
  const places = await restorePlaces(app)
  for (const { target } of await places.journal.listInterrupted()) onFinding(settling(target))
  for (const settled of await settleInterrupted(places)) {
    onFinding(describe(settled))
    for (const finding of settled.findings) onFinding(finding)
  }
  for (const path of await places.journal.listUnreadable()) onFinding(unreadable(path))
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
  return {
    severity: outcome === 'failed' ? 'error' : 'warning',
    code: 'restore-settled',
    subject: entry.target,
    message: `${entry.operation === 'undo' ? 'an undo' : 'a restore'} (run ${run}) was interrupted; ${SAID[outcome]}`,
    ...hintFor(entry, outcome),
  }
}

function hintFor({ run, existed }: SettledRestore['entry'], outcome: SettledRestore['outcome']): { hint?: string } {
  if (outcome === 'untouched') return existed ? {} : { hint: 'The same restore again goes on where it was.' }
  if (outcome === 'finished' || outcome === 'unclear')
    return { hint: `Take it back with: lifeboat undo ${run.slice(0, 8)}` }
  return {}
}

function unreadable(path: string): Finding {
  return {
    severity: 'error',
    code: 'restore-journal-unreadable',
    subject: path,
    message: 'this record of a restore is damaged, or of a newer version: if that one was interrupted, nobody ends it',
    hint: 'Run a version that reads it. Else look whether its target is whole, and what is beside it as *.before-*; then move this file away.',
  }
}
