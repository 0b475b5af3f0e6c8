import { endianness } from 'node:os'

/**
 * The shared memory file (`-shm`) of a database in WAL mode: a header, twice, then tables with the page number of each
 * frame. Integers are in the machine's own order.
 *
 * @see https://www.sqlite.org/walformat.html#the_wal_index_file_format
 */
export interface WalIndexHeader {
  /** Grows by one with each transaction. */
  readonly change: number
  readonly pageSizeBytes: number
  /** Valid frames in the WAL: the mark of a reader that begins now. */
  readonly frames: number
  /** Pages of the database as of that mark. */
  readonly databasePages: number
  /** Running checksum of the last frame, as two numbers. */
  readonly frameChecksum: readonly [number, number]
  /** The 8 bytes that tell this generation of the WAL from the one before, as the WAL's own header has them, hex. */
  readonly salt: string
}

/** Both copies of the header and what checkpoints have done. */
export const WAL_INDEX_HEADER_BYTES = 136

const COPY_BYTES = 48
const BACKFILLED_AT = 96
const BLOCK_BYTES = 32_768
/** Page numbers in the first block, which the header makes smaller, and in each later one. */
const FIRST_BLOCK_FRAMES = 4062
const BLOCK_FRAMES = 4096

const LITTLE = endianness() === 'LE'

/** Undefined while another process is in the middle of writing it, or before it was written at all. */
export function parseWalIndexHeader(bytes: Buffer): WalIndexHeader | undefined {
  const one = bytes.subarray(0, COPY_BYTES)
  if (bytes.length < WAL_INDEX_HEADER_BYTES || !one.equals(bytes.subarray(COPY_BYTES, 2 * COPY_BYTES))) return undefined
  if (one.readUInt8(12) === 0 || !checksumHolds(one)) return undefined
  const size = LITTLE ? one.readUInt16LE(14) : one.readUInt16BE(14)
  return {
    change: integer(one, 8),
    pageSizeBytes: (size & 0xfe00) + ((size & 1) << 16),
    frames: integer(one, 16),
    databasePages: integer(one, 20),
    frameChecksum: [integer(one, 24), integer(one, 28)],
    salt: one.toString('hex', 32, 40),
  }
}

/** How many frames were already copied into the database file. */
export function parseBackfilled(bytes: Buffer): number {
  return integer(bytes, BACKFILLED_AT)
}

/** Where in the `-shm` file the page numbers of frames `from`..`to` (counted from 1, inclusive) lie, as byte ranges. */
export function pageNumberRanges(from: number, to: number): Array<{ position: number; count: number }> {
  const ranges: Array<{ position: number; count: number }> = []
  for (let frame = from; frame <= to; ) {
    const first = frame <= FIRST_BLOCK_FRAMES
    const block = first ? 0 : 1 + Math.floor((frame - FIRST_BLOCK_FRAMES - 1) / BLOCK_FRAMES)
    const slot = first ? frame - 1 : (frame - FIRST_BLOCK_FRAMES - 1) % BLOCK_FRAMES
    const count = Math.min((first ? FIRST_BLOCK_FRAMES : BLOCK_FRAMES) - slot, to - frame + 1)
    ranges.push({ position: block * BLOCK_BYTES + (first ? WAL_INDEX_HEADER_BYTES : 0) + slot * 4, count })
    frame += count
  }
  return ranges
}

function integer(bytes: Buffer, offset: number): number {
  return LITTLE ? bytes.readUInt32LE(offset) : bytes.readUInt32BE(offset)
}

/** The WAL's checksum over the first 40 bytes, kept in the last 8. */
function checksumHolds(copy: Buffer): boolean {
  let s1 = 0
  let s2 = 0
  for (let at = 0; at < 40; at += 8) {
    s1 = (s1 + integer(copy, at) + s2) >>> 0
    s2 = (s2 + integer(copy, at + 4) + s1) >>> 0
  }
  return s1 === integer(copy, 40) && s2 === integer(copy, 44)
}
