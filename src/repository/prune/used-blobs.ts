import { AppError } from '../../base/errors.ts'
import type { Id, TreeNode } from '../../model/node.ts'
import type { RepositoryFiles } from '../files/repository-files.ts'
import { shortId } from '../format/file-keys.ts'
import { parseSnapshot } from '../format/snapshot-file.ts'
import type { Reader } from '../read/reader.ts'
import { walkTrees } from '../read/walk-trees.ts'
import type { UsedBlobs } from './usage.ts'

/** Trees of these snapshots. Refuses (`damaged`) when one cannot be read: what it needs would be deleted. */
export async function rootsOf(files: RepositoryFiles, ids: readonly Id[], signal: AbortSignal): Promise<Id[]> {
  const roots: Id[] = []
  await files.loadEach(
    'snapshot',
    ids,
    (id, json) => {
      if (json instanceof AppError) throw refusal(json)
      roots.push(parseSnapshot(json, id, `snapshot ${shortId(id)}`).tree)
    },
    signal,
  )
  return roots
}

/** Adds everything that the trees need. Refuses (`damaged`) when a tree cannot be read. */
export async function addUsedBlobs(
  { trees, data }: UsedBlobs,
  reader: Reader,
  roots: readonly Id[],
  signal: AbortSignal,
): Promise<void> {
  const visitor = {
    signal,
    onTree: (_: Id, nodes: Iterable<TreeNode>): void => {
      for (const node of nodes) for (const id of node.content ?? []) data.add(id)
    },
    onDamaged: (_: Id, error: AppError): never => {
      throw refusal(error)
    },
  }
  await walkTrees(reader, roots, visitor, trees)
}

/** Nothing is deleted while it is not certain what is needed. */
export function refusal(cause: AppError): AppError {
  return new AppError('damaged', `refusing to prune: ${cause.message}`, {
    hint: 'Run "lifeboat backup", which mends what still exists at the source; "lifeboat check" says which snapshots stay hurt. Drop those with "lifeboat forget ID", then prune again.',
    context: cause.context,
    cause,
  })
}
