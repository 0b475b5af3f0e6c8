import { plainPath, touches } from '../../model/incomplete.ts'
import type { TreeNode } from '../../model/node.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'
import { loadManifest, SnapshotTree, sourceFolder } from '../browse/snapshot-tree.ts'

/**
 * Does writing this snapshot (or these paths of it) into a folder change what is at `path`, or below it? A folder that
 * the snapshot knows nothing in is not changed by giving it its mode and times.
 */
export async function changesPath(
  repository: Repository,
  snapshot: Snapshot,
  include: readonly string[],
  path: string,
): Promise<boolean> {
  if (path === '') return true
  const wanted = include.map(plainPath).filter(each => each !== '')
  if (wanted.length > 0 && !touches(path, wanted)) return false
  const tree = new SnapshotTree(repository, snapshot.tree)
  const folder = sourceFolder(snapshot)
  const node = await tree.findNode(folder === '' ? path : `${folder}/${path}`)
  if (node === undefined) return false
  return node.type !== 'dir' || (await holdsAnything(repository, node))
}

/** The same of a restore that removes what the snapshot has not; what its capture lost is never removed. */
export async function changesOrRemoves(
  repository: Repository,
  snapshot: Snapshot,
  include: readonly string[],
  path: string,
): Promise<boolean> {
  const wanted = include.map(plainPath).filter(each => each !== '')
  if (wanted.length > 0 && path !== '' && !touches(path, wanted)) return false
  const { incomplete } = (await loadManifest(repository, snapshot)) ?? {}
  const isLost = incomplete?.entries.some(entry => entry.absent && entry.path === path) === true
  return !isLost || (await changesPath(repository, snapshot, include, path))
}

async function holdsAnything(repository: Repository, { subtree }: TreeNode): Promise<boolean> {
  if (subtree === undefined) return false
  return (await repository.loadTree(subtree))[Symbol.iterator]().next().done !== true
}
