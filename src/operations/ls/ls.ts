import { throwIfAborted } from '../../base/errors.ts'
import type { TreeNode } from '../../model/node.ts'
import type { Snapshot } from '../../repository/index.ts'
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

async function* list(request: LsRequest, folder: string, { subtree }: TreeNode): AsyncGenerator<ListedEntry> {
  if (subtree === undefined) return
  for (const node of await request.repository.loadTree(subtree)) {
    throwIfAborted(request.signal)
    const path = joinPath(folder, node.name)
    yield toListedEntry(path, node)
    if (request.recursive && node.type === 'dir') yield* list(request, path, node)
  }
}
