import { isAppError } from '../../base/errors.ts'
import { freeMemory } from '../../base/free-memory.ts'
import { Cipher } from '../crypto/cipher.ts'
import type { KeyMaterial } from '../format/key-file.ts'
import type { PackedBlob } from '../format/pack-header.ts'
import { type BlobTable, rowOf, tableSize } from '../read/blob-table.ts'
import { openBlob, openStored } from './blob.ts'
import { BlobSealer, type SealedBlobs, type SealingTools } from './blob-sealer.ts'

/** Runs in a worker: takes blobs out of one pack for another, each opened and checked on the way. */
export interface RepackJob {
  readonly bytes: Uint8Array
  readonly blobs: BlobTable
  /** Keys of the repository that they come from; undefined: of this one. */
  readonly from: KeyMaterial | undefined
  /** Memory for what is made of them. */
  readonly into: Uint8Array
}

export interface RepackOutcome {
  /** The job's bytes, handed back. */
  readonly bytes: Uint8Array
  readonly sealed: SealedBlobs
  /** Numbers of the damaged ones, which were left out. */
  readonly damaged: readonly number[]
}

/** Of less than so many bytes compression makes nothing smaller. */
const COMPRESSIBLE_BYTES = 256

export function runRepackJob({ bytes, blobs, from, into }: RepackJob, tools: SealingTools): RepackOutcome {
  const sealer = new BlobSealer(blobs.type, tools, into)
  const cipher = from && new Cipher(ownedKeys(from))
  const damaged: number[] = []
  for (let at = 0; at < tableSize(blobs); at++) {
    const blob = rowOf(blobs, at)
    const sealed = bytes.subarray(blob.offset, blob.offset + blob.length)
    try {
      if (cipher) sealAnew(sealed, blob, cipher, tools, sealer)
      else takeOver(sealed, blob, tools, sealer)
    } catch (error) {
      if (!isAppError(error, 'damaged')) throw error
      damaged.push(at)
    }
  }
  return { bytes, sealed: sealer.finish(), damaged }
}

/** Of another repository: what is compressed stays so, if this one can have it. */
function sealAnew(sealed: Uint8Array, blob: PackedBlob, cipher: Cipher, tools: SealingTools, sealer: BlobSealer): void {
  const id = Buffer.from(blob.id, 'hex')
  const isCompressed = blob.uncompressedLength !== undefined
  if (isCompressed && tools.version === 1) return sealer.add(openBlob(sealed, blob, cipher, tools.zstd), id)
  const stored = openStored(sealed, blob, cipher, tools.zstd)
  if (isCompressed) sealer.append(stored, id, blob.uncompressedLength)
  else sealer.add(stored, id)
  freeMemory(stored)
}

/** Of this repository: sealed as it is, but for what an older version did not compress. */
function takeOver(sealed: Uint8Array, blob: PackedBlob, tools: SealingTools, sealer: BlobSealer): void {
  const id = Buffer.from(blob.id, 'hex')
  const stored = openStored(sealed, blob, tools.cipher, tools.zstd)
  if (mustCompress(blob, tools)) sealer.add(stored, id)
  else sealer.copy(sealed, id, blob.uncompressedLength)
  freeMemory(stored)
}

/** Version 1 stored everything as it is. Trees are read again and again: they gain the most. */
function mustCompress(blob: PackedBlob, { version }: SealingTools): boolean {
  return version === 2 && blob.type === 'tree' && isUncompressed(blob)
}

/** Stored as it is although compression would help. */
export function isUncompressed(blob: Pick<PackedBlob, 'length' | 'uncompressedLength'>): boolean {
  return blob.uncompressedLength === undefined && blob.length > COMPRESSIBLE_BYTES
}

/** Between threads a Buffer becomes a plain array of bytes. */
function ownedKeys({ encrypt, macK, macR }: KeyMaterial): KeyMaterial {
  return { encrypt: Buffer.from(encrypt), macK: Buffer.from(macK), macR: Buffer.from(macR) }
}
