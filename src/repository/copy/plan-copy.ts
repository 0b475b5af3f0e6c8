import type { Id } from '../../model/node.ts'
import type { BlobType } from '../contract/blob.ts'
import type { CopyOptions, CopyPlan } from '../contract/copying.ts'
import type { Snapshot } from '../contract/snapshot.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import { IdTable } from '../read/id-table.ts'
import { walkTrees } from '../read/walk-trees.ts'
import type { SnapshotStore } from '../snapshots/snapshot-store.ts'
import type { CopySource } from './blob-copier.ts'
import { KnownCopies } from './copied-snapshot.ts'

/** What a copy would bring: walks the trees, and reads nothing else. What cannot be read of them is not counted. */
export async function planCopy(
  { reader, index }: CopySource,
  to: { readonly index: BlobIndex; readonly snapshots: SnapshotStore },
  wanted: readonly Snapshot[],
  { signal }: CopyOptions,
): Promise<CopyPlan> {
  await Promise.all([index.refresh(signal), to.index.refresh(signal)])
  const there = new KnownCopies()
  for (const snapshot of (await to.snapshots.list()).snapshots) there.add(snapshot)
  const missing = wanted.filter(snapshot => !there.has(snapshot))
  const counted = { tree: new IdTable(), data: new IdTable() }
  const plan = { blobs: 0, bytes: 0 }
  const count = (type: BlobType, id: Id): void => {
    if (counted[type].has(id) || to.index.has(type, id)) return
    counted[type].add(id)
    plan.blobs++
    plan.bytes += index.find(type, id)?.length ?? 0
  }
  const roots = missing.map(({ tree }) => tree)
  await walkTrees(reader, roots, {
    signal,
    onTree: (id, nodes) => {
      count('tree', id)
      for (const node of nodes) for (const blob of node.content ?? []) count('data', blob)
    },
    onDamaged: () => {},
  })
  return { missing, present: wanted.filter(snapshot => there.has(snapshot)).map(({ id }) => id), ...plan }
}
