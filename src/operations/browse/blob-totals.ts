import type { Id } from '../../model/node.ts'
import type { BlobType, Repository } from '../../repository/index.ts'

export interface BlobTotals {
  readonly blobs: number
  readonly plainBytes: number
  /** In the repository: compressed and sealed. */
  readonly storedBytes: number
}

const SIZES_AT_ONCE = 10_000

/** Sums what the index says of blobs; those in no index count as taking nothing. */
export async function sizesOf(
  repository: Pick<Repository, 'findBlobSizes'>,
  type: BlobType,
  ids: Iterable<Id>,
): Promise<BlobTotals> {
  let totals: BlobTotals = { blobs: 0, plainBytes: 0, storedBytes: 0 }
  let batch: Id[] = []
  const flush = async (): Promise<void> => {
    for (const size of await repository.findBlobSizes(type, batch)) {
      if (size !== undefined) totals = addTotals(totals, { blobs: 1, ...size })
    }
    batch = []
  }
  for (const id of ids) {
    batch.push(id)
    if (batch.length >= SIZES_AT_ONCE) await flush()
  }
  if (batch.length > 0) await flush()
  return totals
}

export function addTotals(a: BlobTotals, b: BlobTotals): BlobTotals {
  return {
    blobs: a.blobs + b.blobs,
    plainBytes: a.plainBytes + b.plainBytes,
    storedBytes: a.storedBytes + b.storedBytes,
  }
}
