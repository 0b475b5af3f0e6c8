import type { Host } from '../../model/host.ts'
import type { BackupType } from '../../model/manifest.ts'
import { labelsOf } from '../../model/recovery-point.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'
import type { ParentSnapshot, Source } from '../../sources/source.ts'
import { getSourceRoot, loadManifest, SnapshotTree, sourceFolder } from '../browse/snapshot-tree.ts'

export interface ParentQuery {
  readonly source: Source
  readonly repository: Repository
  readonly type: BackupType
  readonly host: Host
}

/** Which earlier types a backup may be relative to; the others read everything anew. */
const RELATIVE_TO: Partial<Record<BackupType, readonly BackupType[]>> = {
  incremental: ['full', 'incremental', 'differential'],
  differential: ['full'],
}

export function isRelative(type: BackupType): boolean {
  return RELATIVE_TO[type] !== undefined
}

/**
 * The newest snapshot of this source on this host that a backup of this type is relative to. Undefined when there is
 * none or it can't be read: then everything is read anew, which is always right, only slower.
 */
export async function findParent(query: ParentQuery): Promise<ParentSnapshot | undefined> {
  const types = RELATIVE_TO[query.type]
  if (types === undefined) return undefined
  const { snapshots } = await query.repository.listSnapshots()
  const newest = snapshots.findLast(snapshot => fits(snapshot, query, types))
  return newest === undefined ? undefined : view(query.repository, newest)
}

function fits(snapshot: Snapshot, query: ParentQuery, types: readonly BackupType[]): boolean {
  const { source, kind, type } = labelsOf(snapshot.tags)
  return (
    source === query.source.name &&
    kind === query.source.kind &&
    type !== undefined &&
    types.includes(type) &&
    snapshot.hostname === query.host.hostname
  )
}

async function view(repository: Repository, snapshot: Snapshot): Promise<ParentSnapshot | undefined> {
  const manifest = await loadManifest(repository, snapshot)
  if (manifest === undefined) return undefined
  const tree = new SnapshotTree(repository, snapshot.tree)
  await getSourceRoot(tree, snapshot)
  const folder = sourceFolder(snapshot)
  return {
    id: snapshot.id,
    manifest,
    findNode: path => tree.findNode(path === '' ? folder : `${folder}/${path}`),
    read: node => repository.readContent(node.content ?? []),
  }
}
