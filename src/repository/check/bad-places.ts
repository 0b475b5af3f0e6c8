import type { Id } from '../../model/node.ts'
import type { BlobType } from '../contract/blob.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { BlobLocation } from '../index-store/segment.ts'

/** Where the index says that blobs are, and they are not, or not whole. */
export interface BadPlaces {
  readonly packs: ReadonlySet<Id>
  /** As `copyKey` makes them. */
  readonly copies: ReadonlySet<string>
  /** Packs that are not what their names say, although what the index says of them may hold. */
  readonly hurt: ReadonlySet<Id>
}

/** Packs of which something is bad. */
export function packsOf({ packs, copies, hurt }: BadPlaces): Set<Id> {
  return new Set([...packs, ...hurt, ...[...copies].map(copy => copy.slice(0, 64))])
}

export function copyKey(pack: Id, type: BlobType, id: Id): string {
  return `${pack} ${type} ${id}`
}

/** Blobs of which no copy is left, as raw bytes in one-byte strings. */
export function findLostBlobs(
  index: BlobIndex,
  bad: Pick<BadPlaces, 'packs' | 'copies'>,
): Record<BlobType, Set<string>> {
  const lost = { data: new Set<string>(), tree: new Set<string>() }
  if (bad.packs.size === 0 && bad.copies.size === 0) return lost
  const isBad = ({ packId, type, id }: BlobLocation): boolean =>
    bad.packs.has(packId) || bad.copies.has(copyKey(packId, type, id))
  for (const place of index.locations()) {
    if (!isBad(place) || !index.findAll(place.type, place.id).every(isBad)) continue
    lost[place.type].add(Buffer.from(place.id, 'hex').toString('latin1'))
  }
  return lost
}
