import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { systemCode } from '../../base/errors.ts'

/** Below this, what is saved costs less than one more file handle. */
const FROM_BYTES = 1024 * 1024
const STAGING_BYTES = 1024 * 1024
/** What direct I/O counts in: no disk in use has longer blocks; where one has, it refuses and the cache is used. */
const BLOCK_BYTES = 4096
/** The file system, or the disk, has no direct I/O or wants it otherwise aligned. */
const REFUSED = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EPERM', 'EACCES'])

/**
 * Writes the parts to the file's beginning without leaving them in the page cache: what is brought to the disk at once
 * needs no copy there, which would push out what other programs are working with. Returns how many bytes were written,
 * whole blocks; what is left, all of it where this is not possible, is the caller's to write. Linux only.
 *
 * @see https://man7.org/linux/man-pages/man2/open.2.html (O_DIRECT)
 */
export async function writePastCache(path: string, parts: readonly Uint8Array[]): Promise<number> {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0)
  if (bytes < FROM_BYTES || process.platform !== 'linux') return 0
  const file = await open(path, constants.O_WRONLY | constants.O_DIRECT).catch(unlessRefused)
  if (file === undefined) return 0
  try {
    return await writeBlocks(file, parts)
  } finally {
    await file.close()
  }
}

/** The part of `writePastCache` that needs a file only to write to it. */
export async function writeBlocks(file: Pick<FileHandle, 'write'>, parts: readonly Uint8Array[]): Promise<number> {
  const staging = free.pop() ?? pageMemory(STAGING_BYTES)
  let written = 0
  try {
    for (const length of fill(staging, parts)) {
      const wanted = length - (length % BLOCK_BYTES)
      const result = wanted === 0 ? undefined : await file.write(staging, 0, wanted, written).catch(unlessRefused)
      const done = result?.bytesWritten ?? 0
      written += done - (done % BLOCK_BYTES)
      // Less than that: the disk is nearly full, or was interrupted. The other way of writing tells which.
      if (done < length) break
    }
    return written
  } finally {
    free.push(staging)
  }
}

/** As many as were needed at once; used again. */
const free: Uint8Array[] = []

/** Begins at the border of a page, for V8 reserves memory that may be resized as whole pages. */
function pageMemory(bytes: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(bytes, { maxByteLength: bytes }), 0, bytes)
}

/** Copies the parts, one staging after the other, and says how much is in it. */
function* fill(staging: Uint8Array, parts: readonly Uint8Array[]): Generator<number> {
  let filled = 0
  for (const part of parts) {
    for (let from = 0; from < part.length; ) {
      const piece = part.subarray(from, from + staging.length - filled)
      staging.set(piece, filled)
      filled += piece.length
      from += piece.length
      if (filled < staging.length) continue
      yield filled
      filled = 0
    }
  }
  if (filled > 0) yield filled
}

function unlessRefused(error: unknown): undefined {
  if (!REFUSED.has(systemCode(error) ?? '')) throw error
}
