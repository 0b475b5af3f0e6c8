import type { Id } from '../../model/node.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { BlobLocation } from '../index-store/segment.ts'
import type { PackUse } from './plan.ts'
import type { PackUsage } from './usage.ts'

/** A place takes some 400 bytes. */
const PLACES_AT_ONCE = 64 * 1024

/** Packs of which the needed blobs may be in memory at once, in order. One with more than that comes alone. */
export function* groupsOf(packs: readonly PackUse[], placesAtOnce = PLACES_AT_ONCE): Generator<PackUse[]> {
  let group: PackUse[] = []
  let places = 0
  for (const pack of packs) {
    if (group.length > 0 && places + pack.usedBlobs > placesAtOnce) {
      yield group
      group = []
      places = 0
    }
    group.push(pack)
    places += pack.usedBlobs
  }
  if (group.length > 0) yield group
}

/** The needed blobs of some packs, by the index alone, each once. One pass over the index. */
export function placesFromIndex(
  index: Pick<BlobIndex, 'locations'>,
  usage: Pick<PackUsage, 'isChosen'>,
  packs: readonly PackUse[],
): Map<Id, BlobLocation[]> {
  const found = new Map<Id, Map<string, BlobLocation>>(packs.map(({ id }) => [id, new Map()]))
  for (const place of index.locations()) {
    const { packId, type, id } = place
    const places = found.get(packId)
    const key = `${type} ${id}`
    if (places && !places.has(key) && usage.isChosen(packId, type, id)) places.set(key, place)
  }
  return new Map([...found].map(([pack, places]) => [pack, [...places.values()]]))
}
