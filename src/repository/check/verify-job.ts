import { isAppError } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import type { Cipher } from '../crypto/cipher.ts'
import type { Zstd } from '../crypto/zstd.ts'
import { shortId } from '../format/file-keys.ts'
import { formatPackHeader, type PackedBlob } from '../format/pack-header.ts'
import { blobId, checkBlob } from '../pack/blob.ts'
import { readPackContents } from '../read/pack-contents.ts'

/** Runs in a worker thread: is a pack what its name, its header and the ids of its blobs say? */
export interface VerifyJob {
  readonly pack: Id
  readonly bytes: Uint8Array
}

export interface VerifyOutcome {
  /** The job's bytes, handed back. */
  readonly bytes: Uint8Array
  /** The whole file has the SHA-256 that is its name. */
  readonly isNamed: boolean
  /** The header's entries as `formatPackHeader` writes them, or why there are none; then no blob was looked at. */
  readonly header: Uint8Array | { readonly reason: string }
  readonly damaged: readonly Pick<PackedBlob, 'type' | 'id'>[]
}

export function runVerifyJob({ pack, bytes }: VerifyJob, cipher: Cipher, zstd: Zstd): VerifyOutcome {
  const isNamed = blobId(bytes) === pack
  const contents = readPackContents(bytes, bytes.length, `pack ${shortId(pack)}`, cipher)
  if (!('blobs' in contents)) return { bytes, isNamed, header: contents, damaged: [] }
  const damaged: Pick<PackedBlob, 'type' | 'id'>[] = []
  for (const blob of contents.blobs) {
    try {
      checkBlob(bytes.subarray(blob.offset, blob.offset + blob.length), blob, cipher, zstd)
    } catch (error) {
      if (!isAppError(error, 'damaged')) throw error
      damaged.push({ type: blob.type, id: blob.id })
    }
  }
  return { bytes, isNamed, header: formatPackHeader(contents.blobs), damaged }
}
