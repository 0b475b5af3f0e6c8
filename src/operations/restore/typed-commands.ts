import { repoFlag } from '../../model/repository-url.ts'
import type { JournalEntry } from './journal.ts'

/** What a person types to take a restore, or an undo, back. */
export function undoCommand({ run, repository }: Pick<JournalEntry, 'run' | 'repository'>): string {
  return `lifeboat undo ${run.slice(0, 8)}${repoFlag(repository)}`
}

/** What a person types to bring an interrupted one to an end. */
export function settleCommand({ repository }: Pick<JournalEntry, 'repository'>): string {
  return `lifeboat undo --settle${repoFlag(repository)}`
}
