import { throwIfAborted } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { TreeNode } from '../../model/node.ts'
import type { Snapshot } from '../../repository/index.ts'
import { loadUnlessDamaged } from '../browse/damaged-tree.ts'
import { type ListedEntry, toListedEntry } from '../browse/listed-entry.ts'
import { joinPath, resolvePath, type TreeLoader } from '../browse/resolve-path.ts'

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
  if (node.type !== 'dir') yield toListedEntry(path, node)
  // Nothing is left to list where the folder itself is damaged: that is an error.
  else if (node.subtree !== undefined) yield* list(request, path, await request.repository.loadTree(node.subtree))
}

async function* list(request: LsRequest, folder: string, nodes: readonly TreeNode[]): AsyncGenerator<ListedEntry> {
  for (const node of nodes) {
    throwIfAborted(request.signal)
    const path = joinPath(folder, node.name)
    yield toListedEntry(path, node)
    if (!request.recursive || node.type !== 'dir' || node.subtree === undefined) continue
    const below = await loadUnlessDamaged(request, request.snapshot, path, node.subtree)
    if (below !== undefined) yield* list(request, path, below)
  }
}
