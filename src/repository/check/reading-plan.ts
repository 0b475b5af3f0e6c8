import type { Random } from '../../base/random.ts'
import type { Id } from '../../model/node.ts'
import type { ReadData } from '../contract/maintenance.ts'
import type { PackToRead, ReadMemory } from './read-memory.ts'

export const readsAll = (readData: ReadData): boolean => typeof readData === 'number' && readData >= 1
export const readsNone = (readData: ReadData): boolean => typeof readData === 'number' && readData <= 0

/**
 * Which packs to read. Of a part or a size those that were not read for longest, so that repeated checks get round to all
 * of them; those that were never read come first, in a random order, so that two machines begin with others.
 */
export function chooseToRead(
  packs: readonly PackToRead[],
  readData: ReadData,
  memory: Pick<ReadMemory, 'readAt'>,
  random: Random,
): Id[] {
  if (readsNone(readData)) return []
  if (readsAll(readData)) return packs.map(({ id }) => id)
  if (typeof readData === 'object' && 'subset' in readData) {
    const { subset, of } = readData
    return packs.filter(({ id }) => bucketOf(id, of) === subset).map(({ id }) => id)
  }
  const total = packs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const wanted = typeof readData === 'number' ? readData * total : readData.bytes
  return firstBytes(oldestFirst(packs, memory, random), wanted)
}

/** As restic's `--read-data-subset=n/t`: by the first byte of the id. 1 to `of`. */
function bucketOf(id: Id, of: number): number {
  return (Number.parseInt(id.slice(0, 2), 16) % of) + 1
}

function oldestFirst(
  packs: readonly PackToRead[],
  memory: Pick<ReadMemory, 'readAt'>,
  random: Random,
): readonly PackToRead[] {
  const keyed = packs.map(pack => ({
    pack,
    readAt: memory.readAt(pack.id)?.getTime() ?? 0,
    tie: random.bytes(4).readUInt32LE(0),
  }))
  keyed.sort((a, b) => a.readAt - b.readAt || a.tie - b.tie)
  return keyed.map(({ pack }) => pack)
}

/** At least one, and so many that they are not less than was wanted. */
function firstBytes(packs: readonly PackToRead[], wanted: number): Id[] {
  const chosen: Id[] = []
  let bytes = 0
  for (const { id, sizeBytes } of packs) {
    if (chosen.length > 0 && bytes >= wanted) break
    chosen.push(id)
    bytes += sizeBytes
  }
  return chosen
}
