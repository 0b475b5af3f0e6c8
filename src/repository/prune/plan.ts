import type { Id } from '../../model/node.ts'

/** What is known of one pack that the index names. */
export interface PackUse {
  readonly id: Id
  /** `mixed`: trees and data in one pack, as old versions of restic wrote them. */
  readonly type: 'data' | 'tree' | 'mixed'
  readonly usedBlobs: number
  /** Sealed bytes of what is needed from it, and the pack's header. */
  readonly usedBytes: number
  readonly unusedBlobs: number
  readonly unusedBytes: number
  /** Of the unused ones those that snapshots need, but are to be had from another pack. */
  readonly duplicates: number
  /** Holds blobs that this repository's version would store compressed. */
  readonly uncompressed: boolean
  /** Holds needed blobs that other packs have too. Only reading tells which copy is whole, before another one goes. */
  readonly shared: boolean
}

export interface PrunePlan {
  readonly keep: readonly PackUse[]
  /** Its used blobs move to new packs. */
  readonly repack: readonly PackUse[]
  /** Nothing in it is needed. */
  readonly remove: readonly PackUse[]
  readonly unusedBytesLeft: number
}

export interface PrunePlanOptions {
  /** Unused bytes to tolerate, as a part of all bytes. */
  readonly maxUnused: number
  /** Packs of so many bytes are rewritten at most; the next time goes on from there. Default: without a limit. */
  readonly maxRepackBytes?: number | undefined
  /** Packs that are not rewritten however much is unused in them: to read them takes hours, or costs more than it frees. */
  readonly leaves?: ((pack: PackUse) => boolean) | undefined
  readonly version: 1 | 2
}

const SMALL_PACK_BYTES = 2 * 1024 * 1024
/** Fewer small packs are not worth the trouble; and one alone would be repacked for ever. */
const SMALL_PACKS_AT_LEAST = 10

const sizeOf = (pack: PackUse): number => pack.usedBytes + pack.unusedBytes

/** The choice of restic's prune: which packs to keep, to rewrite and to delete. */
export function planPrune(packs: readonly PackUse[], options: PrunePlanOptions): PrunePlan {
  const smallBytes = smallPackBytes(packs)
  const remove = packs.filter(pack => pack.usedBlobs === 0)
  const needed = packs.filter(pack => pack.usedBlobs > 0)
  const mustRewrite = (pack: PackUse): boolean => isBadlyPacked(pack, options.version)
  const isSmall = (pack: PackUse): boolean => sizeOf(pack) < smallBytes
  const whole = needed.filter(pack => pack.unusedBlobs === 0 && !mustRewrite(pack))
  const small = whole.filter(isSmall)
  const tooFewSmall = small.length < SMALL_PACKS_AT_LEAST
  const leaves = options.leaves ?? (() => false)
  const isCandidate = (pack: PackUse): boolean =>
    !leaves(pack) && (pack.unusedBlobs > 0 || mustRewrite(pack) || (!tooFewSmall && isSmall(pack)))
  const keep = needed.filter(pack => !isCandidate(pack))
  const candidates = needed.filter(isCandidate)

  let unusedBytesLeft = sum(needed.map(pack => pack.unusedBytes))
  const tolerated = toleratedBytes(sum(needed.map(pack => pack.usedBytes)), options.maxUnused)
  const repack: PackUse[] = []
  let repackBytes = 0
  const fits = (pack: PackUse): boolean => repackBytes + sizeOf(pack) <= (options.maxRepackBytes ?? Infinity)
  for (const pack of candidates.toSorted(byUrgency(isSmall))) {
    const enough = unusedBytesLeft <= tolerated && !isSmall(pack) && pack.type === 'data' && !mustRewrite(pack)
    if (enough || !fits(pack)) keep.push(pack)
    else {
      repack.push(pack)
      repackBytes += sizeOf(pack)
      unusedBytesLeft -= pack.unusedBytes
    }
  }
  return { keep, repack, remove, unusedBytesLeft }
}

/** Trees are read often: mixed packs are taken apart, and trees compressed where that is possible. */
function isBadlyPacked(pack: PackUse, version: 1 | 2): boolean {
  return pack.type === 'mixed' || (version === 2 && pack.type === 'tree' && pack.uncompressed)
}

/** 80 % of the third percentile of the sizes, but of 2 MiB at least: a repository of small packs settles down. */
function smallPackBytes(packs: readonly PackUse[]): number {
  const sizes = packs.map(sizeOf).sort((a, b) => a - b)
  const percentile = sizes[Math.floor((sizes.length * 3) / 100)] ?? 0
  return Math.max(SMALL_PACK_BYTES, percentile) * 0.8
}

// So many unused bytes that they are this part of the total afterwards.
function toleratedBytes(usedBytes: number, maxUnused: number): number {
  return maxUnused >= 1 ? Infinity : (usedBytes * maxUnused) / (1 - maxUnused)
}

/** Trees first, then the small, then those that waste the most. */
function byUrgency(isSmall: (pack: PackUse) => boolean): (a: PackUse, b: PackUse) => number {
  const wasted = (pack: PackUse): number => pack.unusedBytes / sizeOf(pack)
  const rank = (pack: PackUse): number => (pack.type === 'data' ? (isSmall(pack) ? 1 : 2) : 0)
  return (a, b) => rank(a) - rank(b) || wasted(b) - wasted(a)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
