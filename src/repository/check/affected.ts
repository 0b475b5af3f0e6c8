import { isAppError } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import type { Snapshot } from '../contract/snapshot.ts'
import { loadTree } from '../read/load-tree.ts'
import type { Reader } from '../read/reader.ts'
import type { Damage } from './damage.ts'

type Numbers = ReadonlySet<number>

const NONE: Numbers = new Set()

/**
 * Which snapshots each finding hurts: those that reach a blob which was lost with it. Reads all trees again, so it is
 * only done when there is damage.
 */
export async function findAffected(
  reader: Reader,
  snapshots: readonly Snapshot[],
  damage: Damage,
  signal: AbortSignal,
): Promise<Map<number, Id[]>> {
  const affected = new Map<number, Id[]>()
  const known = new Map<Id, Numbers>()
  for (const snapshot of snapshots) {
    for (const number of await reasonsBelow(reader, snapshot.tree, damage, known, signal)) {
      const list = affected.get(number)
      if (list) list.push(snapshot.id)
      else affected.set(number, [snapshot.id])
    }
  }
  return affected
}

/** Findings that hurt anything below a tree. `known` holds the answer for each tree seen before. */
async function reasonsBelow(
  reader: Reader,
  tree: Id,
  damage: Damage,
  known: Map<Id, Numbers>,
  signal: AbortSignal,
): Promise<Numbers> {
  const before = known.get(tree)
  if (before) return before
  known.set(tree, NONE)
  const own = damage.reasonsOf('tree', tree)
  let all = new Set(own)
  if (own.length === 0) {
    for (const node of await loadIfWhole(reader, tree, signal)) {
      for (const id of node.content ?? []) for (const number of damage.reasonsOf('data', id)) all.add(number)
      if (node.subtree === undefined) continue
      const below = await reasonsBelow(reader, node.subtree, damage, known, signal)
      if (all.size === 0) all = new Set(below)
      else for (const number of below) all.add(number)
    }
  }
  const numbers = all.size === 0 ? NONE : all
  known.set(tree, numbers)
  return numbers
}

// Damaged trees are among the lost; one that became so just now will be found by the next check.
async function loadIfWhole(reader: Reader, tree: Id, signal: AbortSignal): ReturnType<typeof loadTree> {
  try {
    return await loadTree(reader, tree, signal)
  } catch (error) {
    if (isAppError(error, 'damaged')) return []
    throw error
  }
}
