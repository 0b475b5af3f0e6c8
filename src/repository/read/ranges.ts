import type { Id } from '../../model/node.ts'
import type { StorageTraits } from '../../storage/storage.ts'

/** Something that lies in a pack. */
export interface Packed {
  readonly packId: Id
  readonly offset: number
  readonly length: number
  /** Of what was compressed. */
  readonly uncompressedLength?: number | undefined
}

/** One piece of a pack to load, and what lies in it, by offset. */
export interface PackRange<T extends Packed> extends Packed {
  readonly parts: readonly T[]
}

export interface RangeLimits {
  /** Unneeded bytes between two parts that are cheaper to load than another call is. */
  readonly gapBytes: number
  /** A range ends before it grows beyond this, unless one part alone is longer. */
  readonly maxBytes: number
  /**
   * The same for what its parts are when they are opened, where all of them are held at once. A part may come again and
   * again, and what repeats itself is thousands of times as long as what is stored.
   */
  readonly maxPlainBytes?: number
}

export const RANGE_LIMITS: RangeLimits = { gapBytes: 128 * 1024, maxBytes: 2 * 1024 * 1024 }
/** Where each call takes a round trip or money: in 50 ms a line of 100 Mbit/s brings 600 KiB. */
const FAR_LIMITS: RangeLimits = { gapBytes: 512 * 1024, maxBytes: 4 * 1024 * 1024 }

export function rangeLimitsOf({ isFar }: Pick<StorageTraits, 'isFar'>): RangeLimits {
  return isFar ? FAR_LIMITS : RANGE_LIMITS
}

/** The loads that bring all parts, pack by pack. Order of packs: that of their first parts. */
export function planRanges<T extends Packed>(parts: Iterable<T>, limits = RANGE_LIMITS): PackRange<T>[] {
  const byPack = new Map<Id, T[]>()
  for (const part of parts) {
    const list = byPack.get(part.packId)
    if (list) list.push(part)
    else byPack.set(part.packId, [part])
  }
  const ranges: PackRange<T>[] = []
  for (const list of byPack.values()) {
    list.sort((a, b) => a.offset - b.offset)
    ranges.push(...cutRanges(list, limits))
  }
  return ranges
}

/** As `planRanges`, but keeps the order of the parts: for reading a stream. */
export function planOrderedRanges<T extends Packed>(parts: readonly T[], limits = RANGE_LIMITS): PackRange<T>[] {
  return cutRanges(parts, limits)
}

function cutRanges<T extends Packed>(parts: readonly T[], limits: RangeLimits): PackRange<T>[] {
  const ranges: PackRange<T>[] = []
  const { maxPlainBytes = Number.POSITIVE_INFINITY } = limits
  let open: T[] = []
  let end = 0
  let plainBytes = 0
  const close = (): void => {
    const [first] = open
    if (first) ranges.push({ packId: first.packId, offset: first.offset, length: end - first.offset, parts: open })
    open = []
    plainBytes = 0
  }
  for (const part of parts) {
    const [first] = open
    const partBytes = part.uncompressedLength ?? part.length
    if (first && (plainBytes + partBytes > maxPlainBytes || !follows(part, first, end, limits))) close()
    plainBytes += partBytes
    end = Math.max(open.length === 0 ? 0 : end, part.offset + part.length)
    open.push(part)
  }
  close()
  return ranges
}

function follows(part: Packed, first: Packed, end: number, limits: RangeLimits): boolean {
  if (part.packId !== first.packId || part.offset < first.offset || part.offset > end + limits.gapBytes) return false
  return part.offset + part.length - first.offset <= limits.maxBytes
}
