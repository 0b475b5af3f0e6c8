import type { Id, TreeNode } from '../../model/node.ts'
import type { Repository } from '../../repository/index.ts'
import { addTotals, type BlobTotals, sizesOf } from '../browse/blob-totals.ts'

/**
 * Blobs of the parts in which two snapshots differ. One that both sides name was moved or copied and counts for
 * neither; one that is also somewhere in the equal parts still counts, since those are not looked at.
 */
export class BlobTally {
  readonly #old = { data: new Set<Id>(), tree: new Set<Id>() }
  readonly #young = { data: new Set<Id>(), tree: new Set<Id>() }

  old(node: TreeNode): void {
    for (const id of node.content ?? []) this.#old.data.add(id)
  }

  young(node: TreeNode): void {
    for (const id of node.content ?? []) this.#young.data.add(id)
  }

  oldTree(id: Id | undefined): void {
    if (id !== undefined) this.#old.tree.add(id)
  }

  youngTree(id: Id | undefined): void {
    if (id !== undefined) this.#young.tree.add(id)
  }

  async totals(
    repository: Pick<Repository, 'findBlobSizes'>,
  ): Promise<{ newBlobs: BlobTotals; goneBlobs: BlobTotals }> {
    const totals = async (from: BothKinds, other: BothKinds): Promise<BlobTotals> =>
      addTotals(
        await sizesOf(repository, 'data', minus(from.data, other.data)),
        await sizesOf(repository, 'tree', minus(from.tree, other.tree)),
      )
    return {
      newBlobs: await totals(this.#young, this.#old),
      goneBlobs: await totals(this.#old, this.#young),
    }
  }
}

interface BothKinds {
  readonly data: ReadonlySet<Id>
  readonly tree: ReadonlySet<Id>
}

function* minus(from: ReadonlySet<Id>, other: ReadonlySet<Id>): Generator<Id> {
  for (const id of from) if (!other.has(id)) yield id
}
