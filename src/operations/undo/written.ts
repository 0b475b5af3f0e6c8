import { isAppError } from '../../base/errors.ts'
import type { Manifest } from '../../model/manifest.ts'
import type { Written } from '../../sources/source.ts'
import { loadManifest } from '../browse/snapshot-tree.ts'
import type { JournalEntry } from '../restore/journal.ts'
import { openWritten, type RestorePlaces } from '../restore/places.ts'

/**
 * What was written, since the restore, to what undoing it would change. Undefined where that can't be told: it stops no
 * undo, which keeps a copy of what it takes away.
 */
export async function findWritten(places: RestorePlaces, entry: JournalEntry): Promise<readonly Written[] | undefined> {
  const { source: name, kind, target, keepAs: keptAs, token, tables, startedAt, finishedAt } = entry
  try {
    const source = await places.openSourceAt(name, kind, target)
    return await source.targets.writtenSince?.({
      ...(await places.context()),
      target,
      keptAs,
      places: entry.places,
      token,
      tables,
      files: entry.files && (await openWritten(places, entry.safety, entry.files)),
      since: new Date(finishedAt ?? startedAt),
      brought: await broughtBy(places, entry),
    })
  } catch (error) {
    if (!isAppError(error) || isAppError(error, 'interrupted')) throw error
    return undefined
  }
}

/** What the target held when it was restored. An undo may have put back what no snapshot is of. */
async function broughtBy(places: RestorePlaces, entry: JournalEntry): Promise<Manifest | undefined> {
  const { strategy, safety, tables, tookKeptAs } = entry
  const isMerge = strategy === 'merge'
  const from = isMerge ? safety : entry
  if (from === undefined || tookKeptAs !== undefined || (isMerge && tables?.added === undefined)) return undefined
  try {
    const opened = await places.openRepository(from.repository)
    const manifest = await loadManifest(opened, await opened.getSnapshot(from.snapshot))
    return isMerge ? withAdded(manifest, tables?.added ?? {}) : manifest
  } catch (error) {
    // Forgotten since.
    if (isAppError(error, 'snapshot-not-found')) return undefined
    throw error
  }
}

/** A merge left the rows of both. */
function withAdded(manifest: Manifest | undefined, added: Readonly<Record<string, number>>): Manifest | undefined {
  const { database } = manifest ?? {}
  // A server's rows tell themselves which transaction wrote them.
  if (manifest === undefined || database?.tables === undefined) return undefined
  const tables = database.tables.map(table => ({ ...table, rows: table.rows + (added[table.name] ?? 0) }))
  return { ...manifest, database: { ...database, tables } }
}
