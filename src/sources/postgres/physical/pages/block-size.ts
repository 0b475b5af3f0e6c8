import type { TreeNode } from '../../../../model/node.ts'
import { PAGE_BYTES } from './page-checksum.ts'

/**
 * Rows of kilobytes: a change of one row in a hundred leaves most pages as they are, and small blocks store little more
 * than those that changed. Text and what is put aside from long rows compress no better in larger ones.
 */
const FINE_BYTES = 2 * PAGE_BYTES
/**
 * Many small rows, or the entries of an index: the same change touches most pages, so small blocks would save nothing,
 * while large ones compress a third better and are a quarter as many.
 */
const COARSE_BYTES = 8 * PAGE_BYTES
const SIZES = [FINE_BYTES, COARSE_BYTES] as const

/** Rows shorter than this on average are small ones: about 30 a page. */
const SMALL_ROW_BYTES = 256

/** So much of a file's start says what it holds. */
export const SAMPLE_BYTES = 8 * PAGE_BYTES

/**
 * Where a relation's file is cut: as it was in the snapshot before, or else by what its first pages hold. Another size
 * than before would store all of the file anew, so what is near the border must not go back and forth.
 */
export function relationBlockBytes(sample: Buffer, before: TreeNode | undefined): number {
  return blockBytesOf(before) ?? (sample.length < SAMPLE_BYTES || isDense(sample) ? COARSE_BYTES : FINE_BYTES)
}

/** What a file was cut into. Undefined when its number of blobs does not say. */
function blockBytesOf(node: TreeNode | undefined): number | undefined {
  const { sizeBytes = 0, content = [] } = node ?? {}
  if (sizeBytes <= COARSE_BYTES) return undefined
  return SIZES.find(bytes => Math.ceil(sizeBytes / bytes) === content.length)
}

/** @see https://www.postgresql.org/docs/current/storage-page-layout.html */
function isDense(sample: Buffer): boolean {
  const rows = { count: 0, bytes: 0 }
  for (let at = 0; at + PAGE_BYTES <= sample.length; at += PAGE_BYTES) {
    const page = sample.subarray(at, at + PAGE_BYTES)
    // Only indexes keep something of their own at a page's end; a page of zeros was never used.
    const special = page.readUInt16LE(16)
    if (special !== 0 && special !== PAGE_BYTES) return true
    countRows(page, rows)
  }
  return rows.count > 0 && rows.bytes / rows.count < SMALL_ROW_BYTES
}

const HEADER_BYTES = 24
const POINTER_BYTES = 4
const NORMAL = 1

function countRows(page: Buffer, rows: { count: number; bytes: number }): void {
  const end = Math.min(page.readUInt16LE(12), PAGE_BYTES)
  for (let at = HEADER_BYTES; at + POINTER_BYTES <= end; at += POINTER_BYTES) {
    const pointer = page.readUInt32LE(at)
    if (((pointer >>> 15) & 3) !== NORMAL) continue
    rows.count++
    rows.bytes += pointer >>> 17
  }
}
