import type { Id } from '../../model/node.ts'
import type { BlobType } from '../contract/blob.ts'
import { type PackedBlob, SEAL_BYTES } from '../format/pack-header.ts'

const NOT_COMPRESSED = 0xffffffff
const COLUMNS = 3

/** Blobs of one type within some loaded bytes, as columns: thousands of them cross to a worker as two arrays. */
export interface BlobTable {
  readonly type: BlobType
  /** Start (in the loaded bytes), sealed length and uncompressed length of each. */
  readonly places: Uint32Array
  /** 32 bytes each. */
  readonly ids: Uint8Array
}

/** @param start offset in the pack at which the loaded bytes begin */
export function toBlobTable(
  type: BlobType,
  blobs: readonly Pick<PackedBlob, 'id' | 'offset' | 'length' | 'uncompressedLength'>[],
  start: number,
): BlobTable {
  const places = new Uint32Array(blobs.length * COLUMNS)
  const ids = Buffer.allocUnsafeSlow(blobs.length * 32)
  for (const [at, blob] of blobs.entries()) {
    places[at * COLUMNS] = blob.offset - start
    places[at * COLUMNS + 1] = blob.length
    places[at * COLUMNS + 2] = blob.uncompressedLength ?? NOT_COMPRESSED
    ids.write(blob.id, at * 32, 'hex')
  }
  return { type, places, ids }
}

export function tableSize(table: BlobTable): number {
  return table.places.length / COLUMNS
}

/** One blob; `offset` is within the loaded bytes. */
export function rowOf(table: BlobTable, at: number): PackedBlob {
  const offset = table.places[at * COLUMNS] ?? 0
  const length = table.places[at * COLUMNS + 1] ?? 0
  const uncompressed = table.places[at * COLUMNS + 2] ?? 0
  return {
    type: table.type,
    id: Buffer.from(table.ids.buffer, table.ids.byteOffset + at * 32, 32).toString('hex') satisfies Id,
    offset,
    length,
    uncompressedLength: uncompressed === NOT_COMPRESSED ? undefined : uncompressed,
  }
}

export function plaintextLength(blob: Pick<PackedBlob, 'length' | 'uncompressedLength'>): number {
  return blob.uncompressedLength ?? blob.length - SEAL_BYTES
}
