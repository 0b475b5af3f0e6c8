import { isAppError } from '../../base/errors.ts'
import type { Cipher } from '../crypto/cipher.ts'
import type { Zstd } from '../crypto/zstd.ts'
import { checkBlob } from '../pack/blob.ts'
import { type BlobTable, rowOf, tableSize } from './blob-table.ts'

/** Runs in a worker thread: which of these blobs are whole? Nothing of them leaves the thread. */
export interface SiftJob {
  readonly bytes: Uint8Array
  readonly blobs: BlobTable
}

export interface SiftOutcome {
  /** The job's bytes, handed back. */
  readonly bytes: Uint8Array
  /** Numbers of the damaged ones. */
  readonly damaged: readonly number[]
  /** What the others hold, decompressed. */
  readonly plainBytes: number
}

export function runSiftJob({ bytes, blobs }: SiftJob, cipher: Cipher, zstd: Zstd): SiftOutcome {
  const damaged: number[] = []
  let plainBytes = 0
  for (let at = 0; at < tableSize(blobs); at++) {
    const blob = rowOf(blobs, at)
    try {
      plainBytes += checkBlob(bytes.subarray(blob.offset, blob.offset + blob.length), blob, cipher, zstd)
    } catch (error) {
      if (!isAppError(error, 'damaged')) throw error
      damaged.push(at)
    }
  }
  return { bytes, damaged, plainBytes }
}
