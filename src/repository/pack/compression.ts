import type { BlobType } from '../contract/blob.ts'
import type { Compression } from '../crypto/zstd.ts'

/**
 * Up to 64 KiB: level 1 with a table that fits the processor's first cache, and matches from six bytes on, which is a
 * fifth faster than level 1 and at most 1.4 % larger. Larger blobs gain more from level 3. See docs/decisions/engine.md.
 */
const SMALL: Compression = { level: 1, hashLog: 13, minMatch: 6 }
const LARGE: Compression = { level: 3 }
/** Trees are ids in hexadecimal: level 3 finds no more in them than 1, and takes ten times as long to look. */
export const TREE: Compression = { level: 1 }

export function compressionFor(type: BlobType, plaintextBytes: number): Compression {
  if (type === 'tree') return TREE
  return plaintextBytes <= 64 * 1024 ? SMALL : LARGE
}
