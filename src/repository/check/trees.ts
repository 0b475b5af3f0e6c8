import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { BlobType } from '../contract/blob.ts'
import type { Snapshot } from '../contract/snapshot.ts'
import { shortId } from '../format/file-keys.ts'
import { IdTable } from '../read/id-table.ts'
import { loadPackContents } from '../read/load-contents.ts'
import { walkTrees } from '../read/walk-trees.ts'
import type { Damage, OpenFinding } from './damage.ts'
import type { PacksToCheck } from './packs.ts'

/** A blob that snapshots need and no index names. */
interface Missing {
  readonly type: BlobType
  readonly id: Id
}

/** Walks the trees of all snapshots: every tree can be read, and the index knows every blob that they name. */
export async function checkTrees(
  from: PacksToCheck,
  snapshots: readonly Snapshot[],
  damagedIndexes: readonly Finding[],
  damage: Damage,
  onProgress: (done: number) => void,
): Promise<void> {
  const looked = new IdTable()
  const missing: Missing[] = []
  let trees = 0
  const roots = snapshots.map(snapshot => snapshot.tree)
  await walkTrees(from, roots, {
    signal: from.signal,
    onTree: (_, nodes) => {
      for (const node of nodes) {
        for (const id of node.content ?? []) {
          const before = looked.size
          if (looked.add(id) < before) continue
          if (!from.index.has('data', id)) missing.push({ type: 'data', id })
        }
      }
      onProgress(++trees)
    },
    onDamaged: (id, error) => {
      if (!from.index.has('tree', id)) missing.push({ type: 'tree', id })
      else if (!damage.isLost('tree', id)) damage.addLost(damage.add(treeFinding(id, error.message)), 'tree', id)
    },
  })
  await explainMissing(from, missing, damagedIndexes, damage)
}

/** Blobs are missing from the index because an index file is damaged, or gone, or because their packs are. */
async function explainMissing(
  from: PacksToCheck,
  missing: readonly Missing[],
  damagedIndexes: readonly Finding[],
  damage: Damage,
): Promise<void> {
  for (const finding of damagedIndexes) {
    const number = damage.add(finding)
    for (const { type, id } of missing) damage.addLost(number, type, id)
  }
  if (missing.length === 0) return
  const left = new Map(missing.map(blob => [`${blob.type} ${blob.id}`, blob]))
  for (const [pack, sizeBytes] of from.stored) {
    if (from.table.packs.has(pack)) continue
    const found = await foundIn(from, pack, sizeBytes, left)
    if (found.length === 0) continue
    const number = damage.add(notIndexed(pack, found.length))
    for (const { type, id } of found) {
      damage.addLost(number, type, id)
      left.delete(`${type} ${id}`)
    }
  }
  if (left.size === 0) return
  const number = damage.add(blobsMissing(left.size))
  for (const { type, id } of left.values()) damage.addLost(number, type, id)
}

async function foundIn(
  from: PacksToCheck,
  pack: Id,
  sizeBytes: number,
  wanted: ReadonlyMap<string, Missing>,
): Promise<Missing[]> {
  const contents = await loadPackContents(from, pack, sizeBytes, from.signal)
  if ('reason' in contents) return []
  return contents.blobs.flatMap(({ type, id }) => wanted.get(`${type} ${id}`) ?? [])
}

function treeFinding(id: Id, message: string): OpenFinding['finding'] {
  return {
    severity: 'error',
    code: 'tree-damaged',
    subject: `tree ${shortId(id)}`,
    message,
    hint: 'Run "lifeboat repair packs": it brings back what parity or another repository has. Then run "lifeboat backup": folders that still exist at the source are stored anew.',
  }
}

function notIndexed(pack: Id, blobs: number): OpenFinding['finding'] {
  return {
    severity: 'error',
    code: 'pack-not-indexed',
    subject: `pack ${shortId(pack)}`,
    message: `snapshots need ${blobs} blobs in the pack, but no index names it: an index file is missing`,
    hint: 'Run "lifeboat repair index" to write the index anew from the packs.',
  }
}

function blobsMissing(blobs: number): OpenFinding['finding'] {
  return {
    severity: 'error',
    code: 'blobs-missing',
    subject: 'index',
    message: `snapshots need ${blobs} blobs that no index names`,
    hint: 'Run "lifeboat repair packs": it brings back what another repository has. Then run "lifeboat backup": what still exists at the source is stored anew.',
  }
}
