/**
 * PostgreSQL's data checksum: 32 FNV-1a sums in parallel, one a column of 32-bit words, folded into one. The page's own
 * checksum field counts as zero.
 *
 * @see https://doxygen.postgresql.org/checksum__impl_8h_source.html
 */

export const PAGE_BYTES = 8192
const WORDS = PAGE_BYTES / 4
const LANES = 32
const PRIME = 16_777_619

// biome-ignore format: a table
const SEEDS = Int32Array.from([
  0x5b1f36e9, 0xb8525960, 0x02ab50aa, 0x1de66d2a, 0x79ff467a, 0x9bb9f8a3, 0x217e7cd2, 0x83e13d2c,
  0xf8d4474f, 0xe39eb970, 0x42c6ae16, 0x993216fa, 0x7b093b5d, 0x98daff3c, 0xf718902a, 0x0b1c9cdb,
  0xe58f764b, 0x187636bc, 0x5d7b3bb1, 0xe73de7de, 0x92bec979, 0xcca6c0b2, 0x304a0979, 0x85aa43d4,
  0x783125bb, 0x6ca8eaa2, 0xe407eac6, 0x4b5cfc3e, 0x9fbf8c76, 0x15ca20be, 0xf2ca9fd3, 0x959bd756,
])

/** Word 2 holds `pd_checksum` in its low half (little-endian). */
const CHECKSUM_WORD = 2

/**
 * The checksum that the page at `words[at]` must carry when it is block `block` of its relation: 1 to 65535. The block
 * number is the relation's, over all of its segment files. The words are the page's bytes as little-endian integers.
 */
export function pageChecksum(words: Int32Array, at: number, block: number): number {
  const stored = words[at + CHECKSUM_WORD] ?? 0
  words[at + CHECKSUM_WORD] = stored & 0xffff0000
  let sum = 0
  // Four columns at a time keep their sums in registers and do not wait for one another.
  for (let lane = 0; lane < LANES; lane += 4) sum ^= sumFourLanes(words, at + lane, lane)
  words[at + CHECKSUM_WORD] = stored
  return (((sum ^ block) >>> 0) % 65_535) + 1
}

function sumFourLanes(words: Int32Array, from: number, lane: number): number {
  let a = SEEDS[lane] as number
  let b = SEEDS[lane + 1] as number
  let c = SEEDS[lane + 2] as number
  let d = SEEDS[lane + 3] as number
  let t = 0
  const end = from + WORDS
  for (let i = from; i < end; i += LANES) {
    t = a ^ (words[i] as number)
    a = Math.imul(t, PRIME) ^ (t >>> 17)
    t = b ^ (words[i + 1] as number)
    b = Math.imul(t, PRIME) ^ (t >>> 17)
    t = c ^ (words[i + 2] as number)
    c = Math.imul(t, PRIME) ^ (t >>> 17)
    t = d ^ (words[i + 3] as number)
    d = Math.imul(t, PRIME) ^ (t >>> 17)
  }
  return mixTwice(a) ^ mixTwice(b) ^ mixTwice(c) ^ mixTwice(d)
}

/** Two more rounds over zeros, so that the last words are mixed as well as the first. */
function mixTwice(sum: number): number {
  const once = Math.imul(sum, PRIME) ^ (sum >>> 17)
  return Math.imul(once, PRIME) ^ (once >>> 17)
}

export function storedChecksum(words: Int32Array, at: number): number {
  return (words[at + CHECKSUM_WORD] ?? 0) & 0xffff
}

/** The log position of the page's last change. Two halves, the high one first. */
export function pageLsn(words: Int32Array, at: number): bigint {
  return (BigInt((words[at] ?? 0) >>> 0) << 32n) | BigInt((words[at + 1] ?? 0) >>> 0)
}

/** A page that was allocated and never written: it carries no checksum (`pd_upper` is 0). */
export function isNewPage(words: Int32Array, at: number): boolean {
  return (words[at + 3] ?? 0) >>> 16 === 0
}
