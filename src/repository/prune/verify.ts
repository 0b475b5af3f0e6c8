import { forEachLimit } from '../../base/concurrency.ts'
import { throwIfAborted } from '../../base/errors.ts'
import { shortId } from '../format/file-keys.ts'
import { parsePackHeader } from '../format/pack-header.ts'
import { loadRange } from '../read/load-range.ts'
import { RecycledMemory } from '../read/recycled-memory.ts'
import type { PruneContext } from './context.ts'
import type { PackUse } from './plan.ts'
import { wantedOf } from './repack.ts'
import type { PackUsage } from './usage.ts'

/**
 * Of some packs those from which not everything can be had that is to be taken from them. Reads them whole: before a copy
 * of a blob goes, the one that stays must be known to be good.
 */
export async function findDoubtful(
  { storage, workers }: PruneContext,
  usage: PackUsage,
  packs: readonly PackUse[],
  signal: AbortSignal,
  onDone: (pack: PackUse) => void,
): Promise<PackUse[]> {
  const doubtful: PackUse[] = []
  const memory = new RecycledMemory(workers.size + 1)
  await forEachLimit(packs, workers.size + 1, async pack => {
    throwIfAborted(signal)
    const length = pack.usedBytes + pack.unusedBytes
    const bytes = await loadRange(storage, { packId: pack.id, offset: 0, length }, signal, memory.take(length))
    if (!(bytes instanceof Uint8Array)) {
      doubtful.push(pack)
      return
    }
    const { bytes: free, header, damaged } = await workers.verify({ pack: pack.id, bytes })
    memory.give(free)
    const blobs = header instanceof Uint8Array ? parsePackHeader(header, length, `pack ${shortId(pack.id)}`) : []
    if (damaged.length > 0 || wantedOf(usage, pack, blobs).length < pack.usedBlobs) doubtful.push(pack)
    onDone(pack)
  })
  return doubtful
}
