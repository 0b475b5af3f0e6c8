import { printableName } from '../../base/bytes.ts'
import { isAppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id, TreeNode } from '../../model/node.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { Snapshot } from '../../repository/index.ts'
import type { TreeLoader } from './snapshot-tree.ts'

interface Looking {
  readonly repository: TreeLoader
  readonly onFinding: (finding: Finding) => void
}

/** Undefined, and a finding, where something of a snapshot is damaged: what else there is may well be whole. */
export async function unlessDamaged<T>(
  { onFinding }: Pick<Looking, 'onFinding'>,
  snapshot: Snapshot,
  path: string,
  read: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (!isAppError(error, 'damaged')) throw error
    onFinding(unreadable(snapshot, path, error.message))
    return undefined
  }
}

export async function loadUnlessDamaged(
  looking: Looking,
  snapshot: Snapshot,
  path: string,
  tree: Id,
): Promise<Iterable<TreeNode> | undefined> {
  return await unlessDamaged(looking, snapshot, path, () => looking.repository.loadTree(tree))
}

function unreadable({ id }: Snapshot, path: string, why: string): Finding {
  const where = path === '' ? 'it cannot be read' : `the folder ${printableName(path)} in it cannot be read`
  return {
    severity: 'error',
    code: 'folder-unreadable',
    subject: `snapshot ${id.slice(0, SHORT_ID_DIGITS)}`,
    message: `${where}: ${why}`,
    hint: 'Run "lifeboat check" to see what is damaged.',
    affects: [id],
  }
}
