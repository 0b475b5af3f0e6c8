import type { Id } from '../../model/node.ts'
import type { PackTable } from '../check/pack-table.ts'
import type { VerifyOutcome } from '../check/verify-job.ts'
import type { RepairedPack } from '../contract/repairing.ts'
import { shortId } from '../format/file-keys.ts'
import { type PackedBlob, parsePackHeader } from '../format/pack-header.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { BlobLocation } from '../index-store/segment.ts'
import { loadRange } from '../read/load-range.ts'
import type { RepairContext } from './repair-context.ts'

/** Places take some 400 bytes each. */
const PLACES_AT_ONCE = 64 * 1024

/** A pack that is not what its name says. */
export interface DamagedPack {
  readonly id: Id
  readonly state: RepairedPack['state']
  /** What is there of it. */
  readonly bytes: Buffer | undefined
  /** What it should hold, as far as anybody knows, each once. */
  readonly blobs: readonly PackedBlob[]
}

export interface Suspects {
  readonly index: BlobIndex
  readonly table: PackTable
  readonly stored: ReadonlyMap<Id, number>
}

/** Packs of which all places may be in memory at once. */
export function* groupsOfPacks(packs: readonly Id[], table: PackTable): Generator<Id[]> {
  let group: Id[] = []
  let places = 0
  for (const pack of packs) {
    const own = table.blobsOf(pack)
    if (group.length > 0 && places + own > PLACES_AT_ONCE) {
      yield group
      group = []
      places = 0
    }
    group.push(pack)
    places += own
  }
  if (group.length > 0) yield group
}

/** What the index says of each of these packs. One pass over it. */
export function placesByPack(index: BlobIndex, packs: readonly Id[]): Map<Id, BlobLocation[]> {
  const places = new Map<Id, BlobLocation[]>(packs.map(pack => [pack, []]))
  for (const place of index.locations()) places.get(place.packId)?.push(place)
  return places
}

/** Reads a pack whole, and says what is wrong with it; undefined: nothing is. */
export async function examinePack(
  context: RepairContext,
  pack: Id,
  { stored }: Suspects,
  places: readonly BlobLocation[],
  signal: AbortSignal,
): Promise<DamagedPack | undefined> {
  const length = stored.get(pack)
  if (length === undefined) return { id: pack, state: 'missing', bytes: undefined, blobs: distinct(places) }
  const loaded = await loadRange(context.storage, { packId: pack, offset: 0, length }, signal)
  if (!(loaded instanceof Uint8Array)) {
    return { id: pack, state: 'missing', bytes: undefined, blobs: distinct(places) }
  }
  const outcome = await context.workers.verify({ pack, bytes: loaded })
  const bytes = Buffer.from(outcome.bytes.buffer, outcome.bytes.byteOffset, outcome.bytes.byteLength)
  const named = blobsOf(pack, outcome, bytes.length)
  if (outcome.isNamed && named !== undefined && outcome.damaged.length === 0) return undefined
  const end = Math.max(0, ...places.map(place => place.offset + place.length))
  const state = named === undefined && bytes.length < end ? 'cut' : 'damaged'
  return { id: pack, state, bytes, blobs: distinct([...(named ?? []), ...places]) }
}

/** By its own header, which is sealed. */
function blobsOf(pack: Id, { header }: VerifyOutcome, packBytes: number): readonly PackedBlob[] | undefined {
  return header instanceof Uint8Array ? parsePackHeader(header, packBytes, `pack ${shortId(pack)}`) : undefined
}

function distinct(blobs: readonly PackedBlob[]): PackedBlob[] {
  return [...new Map(blobs.map(blob => [`${blob.type} ${blob.id}`, blob])).values()]
}
