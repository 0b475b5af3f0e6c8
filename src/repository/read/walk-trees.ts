import { AppError, isAppError, throwIfAborted } from '../../base/errors.ts'
import type { Id, TreeNode } from '../../model/node.ts'
import { HeldObjects } from '../cache/held-objects.ts'
import { KeptPacks } from '../cache/kept-packs.ts'
import { IdTable } from './id-table.ts'
import { loadTree } from './load-tree.ts'
import type { Reader } from './reader.ts'

export interface TreeVisitor {
  /** Called once for each tree that can be read; waited for, so that it can slow the walk down. */
  readonly onTree: (id: Id, nodes: Iterable<TreeNode>) => void | Promise<void>
  /** Called once for each tree that cannot. */
  readonly onDamaged: (id: Id, error: AppError) => void
  readonly signal?: AbortSignal | undefined
}

/** Packs of trees that a walk holds, where each tree would be a call of its own. They are 16 MiB long at most, nearly all. */
const HELD_BYTES = 48 * 1024 * 1024

/**
 * Visits every tree below the roots once, several at a time, in no order. Returns all ids, damaged ones too.
 * @param seen those of walks before, which are passed over; gets those of this one
 */
export async function walkTrees(
  from: Reader,
  roots: Iterable<Id>,
  visitor: TreeVisitor,
  seen = new IdTable(),
): Promise<IdTable> {
  const { isFar } = from.storage.traits
  const reader = from.keptPacks || !isFar ? from : { ...from, keptPacks: new KeptPacks(new HeldObjects(HELD_BYTES)) }
  let next = seen.size
  for (const root of roots) seen.add(root)
  const visit = async (id: Id): Promise<void> => {
    const nodes = await tryLoad(reader, id, visitor.signal)
    if (nodes instanceof AppError) return visitor.onDamaged(id, nodes)
    for (const node of nodes) if (node.subtree !== undefined) seen.add(node.subtree)
    await visitor.onTree(id, nodes)
  }
  const running = new Set<Promise<void>>()
  const limit = reader.storage.traits.concurrency
  let failure: { readonly error: unknown } | undefined
  while (!failure && (next < seen.size || running.size > 0)) {
    throwIfAborted(visitor.signal)
    while (next < seen.size && running.size < limit) {
      const task = visit(seen.idAt(next++))
        .catch((error: unknown) => {
          failure ??= { error }
        })
        .finally(() => running.delete(task))
      running.add(task)
    }
    await Promise.race(running)
  }
  await Promise.all(running)
  if (failure) throw failure.error
  return seen
}

async function tryLoad(
  reader: Reader,
  id: Id,
  signal: AbortSignal | undefined,
): Promise<Iterable<TreeNode> | AppError> {
  try {
    return await loadTree(reader, id, signal)
  } catch (error) {
    if (isAppError(error, 'damaged')) return error
    throw error
  }
}
