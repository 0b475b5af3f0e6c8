import type { Id } from '../../model/node.ts'
import { isEnded, type JournalEntry } from './journal.ts'

/** How long the safety recovery point of a restore stays after the restore ended. */
export const SAFETY_DAYS = 30

/** A snapshot that the journal of restores still needs, and for what: `undo of restore 1a2b3c4d`. */
export interface NeededSnapshot {
  /** The repository's name in the configuration. */
  readonly repository: string
  readonly snapshot: Id
  readonly reason: string
  /** The restore has not come to its end: without the snapshot it may not be able to. */
  readonly unfinished: boolean
}

/**
 * The snapshots that must not be forgotten: those of restores that have not come to an end, and the safety recovery
 * points that `undo` still offers. These stay for 30 days; the one of a target's last restore stays until that is undone.
 */
export function listNeededSnapshots(entries: readonly JournalEntry[], now: Date): NeededSnapshot[] {
  return entries.flatMap(entry => (isEnded(entry) ? neededByUndo(entry, entries, now) : neededToSettle(entry)))
}

function neededToSettle({ run, repository, snapshot, safety, files }: JournalEntry): NeededSnapshot[] {
  const reason = `needed by the unfinished restore ${run.slice(0, 8)}`
  const wanted = { repository, snapshot, reason, unfinished: true }
  // An undo of what was written into a folder is taken back by what the restore had written.
  const others = [safety, ...snapshotsOfFiles(files)].filter(each => each !== undefined)
  return [wanted, ...others.map(each => ({ ...wanted, repository: each.repository, snapshot: each.snapshot }))]
}

function neededByUndo(entry: JournalEntry, entries: readonly JournalEntry[], now: Date): NeededSnapshot[] {
  const { phase, undoneBy } = entry
  if (phase !== 'done' || undoneBy !== undefined) return []
  if (!isRecent(entry, now) && !isLastOfTarget(entry, entries)) return []
  const reason = `undo of restore ${entry.run.slice(0, 8)}`
  return snapshotsOfUndo(entry).map(each => ({ ...each, reason, unfinished: false }))
}

/** What was there; of a folder that was written into, also what came; where only tables came, that alone. */
export function snapshotsOfUndo(entry: JournalEntry): Array<Pick<NeededSnapshot, 'repository' | 'snapshot'>> {
  const { repository, snapshot, safety, tables, files } = entry
  if (safety === undefined) return tables === undefined ? [] : [{ repository, snapshot }]
  return [safety, ...snapshotsOfFiles(files)]
}

function isRecent({ startedAt, finishedAt = startedAt }: JournalEntry, now: Date): boolean {
  return now.getTime() - Date.parse(finishedAt) <= SAFETY_DAYS * 86_400_000
}

function isLastOfTarget(entry: JournalEntry, entries: readonly JournalEntry[]): boolean {
  const ofTarget = entries.filter(({ target, phase, undoneBy }) => {
    return target === entry.target && phase === 'done' && undoneBy === undefined
  })
  return ofTarget.every(({ startedAt }) => startedAt <= entry.startedAt)
}

function snapshotsOfFiles(files: JournalEntry['files']): Array<Pick<NeededSnapshot, 'repository' | 'snapshot'>> {
  if (files === undefined) return []
  const { repository, snapshot, removed } = files
  return [{ repository, snapshot }, ...(removed === undefined ? [] : [{ repository, snapshot: removed }])]
}
