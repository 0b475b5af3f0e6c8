import { throwIfAborted } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { TreeNode } from '../../model/node.ts'
import type { Snapshot } from '../../repository/index.ts'
import { loadUnlessDamaged } from '../browse/damaged-tree.ts'
import { type ListedEntry, toListedEntry } from '../browse/listed-entry.ts'
import { resolvePath } from '../browse/resolve-path.ts'
import { type LoadFolder, type TreeLoader, walkTree } from '../browse/snapshot-tree.ts'

export interface LsRequest {
  readonly repository: TreeLoader
  readonly snapshot: Snapshot
  /** See `resolvePath`; '' is the source's folder. */
  readonly path: string
  /** What is below folders too. */
  readonly recursive: boolean
  readonly signal: AbortSignal
  /** Told of each folder that could not be listed; what is whole is listed all the same. */
  readonly onFinding: (finding: Finding) => void
}

/**
 * Lists what is in a folder of a snapshot, or a file itself: in byte order, folders before what is in them.
 * The iteration throws `not-found` for a path that is not there.
 */
export async function* ls(request: LsRequest): AsyncGenerator<ListedEntry> {
  const { path, node } = await resolvePath(request.repository, request.snapshot, request.path)
  if (node.type === 'dir') yield* list(request, path, node)
  else yield toListedEntry(path, node)
}

async function* list(request: LsRequest, folder: string, node: TreeNode): AsyncGenerator<ListedEntry> {
  const load: LoadFolder = async (id, path) =>
    id === node.subtree
      ? // Nothing is left to list where the folder itself is damaged: that is an error.
        await request.repository.loadTree(id)
      : await loadUnlessDamaged(request, request.snapshot, path, id)
  for await (const entry of walkTree(load, node, folder, () => request.recursive)) {
    throwIfAborted(request.signal)
    yield toListedEntry(entry.path, entry.node)
  }
}
