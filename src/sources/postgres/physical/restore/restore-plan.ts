import { isAbsolute, join } from 'node:path'
import { AppError } from '../../../../base/errors.ts'
import type { TreeNode } from '../../../../model/node.ts'
import type { SnapshotEntry, SnapshotReader } from '../../../source.ts'
import { parseTablespaceMap } from '../capture/backup-label.ts'
import { TABLESPACE_MAP } from '../cluster-properties.ts'

/** What a restore will write, and where. */
export interface RestorePlan {
  readonly folders: readonly PlannedEntry[]
  readonly files: readonly PlannedEntry[]
  /** OID -> where the tablespace will be, absolute. */
  readonly tablespaces: ReadonlyMap<string, string>
}

export interface PlannedEntry {
  /** In the snapshot. */
  readonly path: string
  /** On this machine, absolute. */
  readonly place: string
  readonly node: TreeNode
}

/** In a mapping, for all tablespaces that it does not name: the folder to put them in. */
export const ALL = '*'

/**
 * @param mapping Where tablespaces shall be, by OID or by the path they had.
 */
export async function planRestore(
  snapshot: SnapshotReader,
  target: string,
  mapping: ReadonlyMap<string, string>,
): Promise<RestorePlan> {
  const entries: SnapshotEntry[] = []
  for await (const entry of snapshot.entries()) {
    requireSafePath(entry.path)
    if (entry.node.type === 'dir' || entry.node.type === 'file') entries.push(entry)
  }
  const tablespaces = await placeTablespaces(snapshot, entries, mapping)
  const planned = entries
    // The links are made here, maybe to other places; pg_basebackup's manifest counts an empty map as a file, though.
    .filter(entry => entry.path !== TABLESPACE_MAP || tablespaces.size === 0)
    .map(entry => ({ ...entry, place: placeOf(entry.path, target, tablespaces) }))
  return {
    folders: planned.filter(entry => entry.node.type === 'dir'),
    files: planned.filter(entry => entry.node.type === 'file'),
    tablespaces,
  }
}

async function placeTablespaces(
  snapshot: SnapshotReader,
  entries: readonly SnapshotEntry[],
  mapping: ReadonlyMap<string, string>,
): Promise<Map<string, string>> {
  const map = entries.find(entry => entry.path === TABLESPACE_MAP)
  if (map === undefined) return new Map()
  const parts: Buffer[] = []
  for await (const part of snapshot.read(map.node)) parts.push(part)
  const places = new Map<string, string>()
  for (const [oid, path] of parseTablespaceMap(Buffer.concat(parts).toString('utf8'))) {
    const all = mapping.get(ALL)
    const place = mapping.get(oid) ?? mapping.get(path) ?? (all === undefined ? path : join(all, oid))
    if (!isAbsolute(place)) {
      throw new AppError('target-invalid', `the place of tablespace ${oid} is not an absolute path: ${place}`, {
        hint: 'Give an absolute path.',
      })
    }
    places.set(oid, place)
  }
  return places
}

function placeOf(path: string, target: string, tablespaces: ReadonlyMap<string, string>): string {
  const match = /^pg_tblspc\/(\d+)(\/.*)?$/.exec(path)
  const place = match?.[1] === undefined ? undefined : tablespaces.get(match[1])
  return place === undefined ? join(target, path) : join(place, match?.[2] ?? '')
}

/** A snapshot may have been made by anybody: no path in it may lead out of the target. */
function requireSafePath(path: string): void {
  const safe = path.split('/').every(part => part !== '' && part !== '.' && part !== '..' && !part.includes('\0'))
  if (!safe) throw new AppError('damaged', `the snapshot holds a path that is none: ${JSON.stringify(path)}`)
}
