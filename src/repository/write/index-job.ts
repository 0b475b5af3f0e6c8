import type { Id } from '../../model/node.ts'
import type { Cipher } from '../crypto/cipher.ts'
import type { Zstd } from '../crypto/zstd.ts'
import { formatIndexOfEntries } from '../format/index-file.ts'
import { encodeUnpacked } from '../format/unpacked.ts'
import { blobId } from '../pack/blob.ts'

/** Runs in a worker: makes an index file of packs that are stored. */
export interface IndexJob {
  readonly packs: readonly { readonly id: Id; readonly entries: Uint8Array }[]
}

export interface IndexOutcome {
  readonly id: Id
  readonly sealed: Uint8Array
}

export function runIndexJob(job: IndexJob, version: 1 | 2, cipher: Cipher, zstd: Zstd): IndexOutcome {
  const sealed = cipher.seal(encodeUnpacked(formatIndexOfEntries(job.packs), version, zstd))
  return { id: blobId(sealed), sealed }
}
