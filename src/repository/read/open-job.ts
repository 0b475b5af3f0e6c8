import { isAppError } from '../../base/errors.ts'
import type { Cipher } from '../crypto/cipher.ts'
import type { Zstd } from '../crypto/zstd.ts'
import { openBlob } from '../pack/blob.ts'
import { type BlobTable, plaintextLength, rowOf, tableSize } from './blob-table.ts'

/** Runs in a worker thread: opens and checks the blobs of one loaded range. */
export interface OpenJob {
  readonly bytes: Uint8Array
  readonly blobs: BlobTable
}

export interface OpenOutcome {
  /** The plaintexts one after the other, without the damaged ones. */
  readonly plaintext: Uint8Array
  /** Bytes of each; -1 for a damaged one. */
  readonly lengths: Int32Array
  readonly damaged: readonly { readonly blob: number; readonly reason: string }[]
}

export function runOpenJob(job: OpenJob, cipher: Cipher, zstd: Zstd): OpenOutcome {
  const count = tableSize(job.blobs)
  const lengths = new Int32Array(count).fill(-1)
  const damaged: { blob: number; reason: string }[] = []
  const rows = Array.from({ length: count }, (_, at) => rowOf(job.blobs, at))
  const plaintext = Buffer.allocUnsafeSlow(rows.reduce((total, row) => total + plaintextLength(row), 0))
  let end = 0
  for (const [at, row] of rows.entries()) {
    try {
      const opened = openBlob(job.bytes.subarray(row.offset, row.offset + row.length), row, cipher, zstd)
      plaintext.set(opened, end)
      end += opened.length
      lengths[at] = opened.length
    } catch (error) {
      if (!isAppError(error, 'damaged')) throw error
      damaged.push({ blob: at, reason: error.message })
    }
  }
  return { plaintext: plaintext.subarray(0, end), lengths, damaged }
}
