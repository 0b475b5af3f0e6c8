import { lstat } from 'node:fs/promises'
import { messageOf } from '../../base/errors.ts'
import { formatTime } from '../../base/times.ts'
import { changedNothing, type JournalEntry } from '../restore/journal.ts'
import { snapshotsOfUndo } from '../restore/needed-snapshots.ts'
import type { RestorePlaces } from '../restore/places.ts'
import { URL_FORM } from '../restore/reserved.ts'

/** Can it be undone? Else why not. */
export type WayBack = { readonly open: true } | { readonly open: false; readonly why: string }

/** Of each, by its run. Looks whether what the undo needs is still there. */
export async function findWaysBack(
  places: RestorePlaces,
  entries: readonly JournalEntry[],
): Promise<ReadonlyMap<string, WayBack>> {
  const repositories = new Map<string, Promise<SnapshotsThere>>()
  const snapshotsOf = (name: string): Promise<SnapshotsThere> => {
    const known = repositories.get(name) ?? listSnapshots(places, name)
    repositories.set(name, known)
    return known
  }
  const ways = new Map<string, WayBack>()
  for (const entry of entries) {
    const why = closedBy(entry, entries) ?? (await missing(entry, snapshotsOf))
    ways.set(entry.run, why === undefined ? { open: true } : { open: false, why })
  }
  return ways
}

/** What the journal alone says. */
function closedBy(entry: JournalEntry, entries: readonly JournalEntry[]): string | undefined {
  const { phase, undoneBy, kept, safety, existed, tables } = entry
  if (phase === 'rolled-back') return 'it was taken back'
  if (phase === 'failed') return 'it failed, and changed nothing'
  if (phase !== 'done') return 'it has not come to its end'
  if (undoneBy !== undefined) return undoneSentence(undoneBy, entries)
  if (changedNothing(entry)) return 'it changed nothing'
  if (kept.length > 0 || safety !== undefined || tables?.changed.length === 0) return undefined
  return existed ? 'what it kept was discarded' : 'there was nothing at its place before'
}

/** `undone at 2026-09-04 02:00 by run 1a2b3c4d` */
export function undoneSentence(undoneBy: string, entries: readonly JournalEntry[]): string {
  const by = entries.find(each => each.run === undoneBy)
  const when = by === undefined ? '' : ` at ${formatTime(new Date(by.finishedAt ?? by.startedAt))}`
  return `undone${when} by run ${undoneBy.slice(0, 8)}`
}

type SnapshotsThere = { readonly ids: ReadonlySet<string> } | { readonly problem: string }

async function listSnapshots(places: RestorePlaces, name: string): Promise<SnapshotsThere> {
  try {
    const { snapshots } = await (await places.openRepository(name)).listSnapshots()
    return { ids: new Set(snapshots.map(each => each.id)) }
  } catch (error) {
    return { problem: messageOf(error) }
  }
}

async function missing(
  entry: JournalEntry,
  snapshotsOf: (name: string) => Promise<SnapshotsThere>,
): Promise<string | undefined> {
  const { kept, safety } = entry
  for (const { kept: place, target } of kept) {
    // A database that is kept is asked for when it is wanted.
    if (URL_FORM.test(target) || !place.startsWith('/')) continue
    if ((await lstat(place).catch(() => undefined)) === undefined) return `what it kept is gone: ${place}`
  }
  if (kept.length > 0) return undefined
  for (const { repository, snapshot } of snapshotsOfUndo(entry)) {
    const there = await snapshotsOf(repository)
    if ('problem' in there) return `repository ${repository} cannot be asked: ${there.problem}`
    const what = snapshot === safety?.snapshot ? 'its safety recovery point' : 'the recovery point that it restored'
    if (!there.ids.has(snapshot)) return `${what} ${snapshot.slice(0, 8)} was forgotten`
  }
  return undefined
}
