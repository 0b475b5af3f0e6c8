import type { Snapshot } from '../contract/snapshot.ts'
import { IdTable } from '../read/id-table.ts'
import type { Reader } from '../read/reader.ts'
import { walkTrees } from '../read/walk-trees.ts'

/** What snapshots need, as far as their trees can be read, here or elsewhere. */
export interface NeededBlobs {
  readonly tree: IdTable
  readonly data: IdTable
}

export async function findNeededBlobs(
  reader: Reader,
  snapshots: readonly Snapshot[],
  signal: AbortSignal,
): Promise<NeededBlobs> {
  const data = new IdTable()
  const roots = snapshots.map(({ tree }) => tree)
  const tree = await walkTrees(reader, roots, {
    signal,
    onTree: (_, nodes) => {
      for (const node of nodes) for (const id of node.content ?? []) data.add(id)
    },
    // What lies below it is not known.
    onDamaged: () => {},
  })
  return { tree, data }
}
