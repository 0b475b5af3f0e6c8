import type { Id } from '../../model/node.ts'
import type { BlobType } from '../contract/blob.ts'
import { invalid } from './json.ts'

/** One blob in a pack. `offset` and `length` are of the sealed bytes. */
export interface PackedBlob {
  readonly type: BlobType
  readonly id: Id
  readonly offset: number
  readonly length: number
  /** Plaintext bytes when stored compressed; undefined when stored as it is. */
  readonly uncompressedLength: number | undefined
}

/** A sealed thing is this much longer than its plaintext: IV and MAC, 16 bytes each. */
export const SEAL_BYTES = 32
export const HEADER_LENGTH_BYTES = 4
export const PLAIN_ENTRY_BYTES = 37
export const COMPRESSED_ENTRY_BYTES = 41
/** restic refuses a longer header. */
export const MAX_HEADER_BYTES = 16 * 1024 * 1024
/** Plaintext bytes of a blob we accept: restic's longest chunk is 8 MiB, but a tree of a huge folder may be larger. */
export const MAX_BLOB_BYTES = 1024 * 1024 * 1024

/** The header's plaintext: entries in the order in which the blobs lie in the pack. */
export function formatPackHeader(blobs: readonly PackedBlob[]): Buffer {
  let size = 0
  for (const blob of blobs) size += entryBytes(blob.uncompressedLength)
  const out = Buffer.allocUnsafe(size)
  let at = 0
  for (const blob of blobs) at = writeEntry(out, at, blob)
  return out
}

export function entryBytes(uncompressedLength: number | undefined): number {
  return uncompressedLength === undefined ? PLAIN_ENTRY_BYTES : COMPRESSED_ENTRY_BYTES
}

function writeEntry(out: Buffer, start: number, blob: PackedBlob): number {
  const compressed = blob.uncompressedLength !== undefined
  let at = out.writeUInt8((blob.type === 'tree' ? 1 : 0) | (compressed ? 2 : 0), start)
  at = out.writeUInt32LE(blob.length, at)
  if (blob.uncompressedLength !== undefined) at = out.writeUInt32LE(blob.uncompressedLength, at)
  return at + out.write(blob.id, at, 'hex')
}

/**
 * Entries of a pack of `packBytes` bytes whose sealed header is `header.length + SEAL_BYTES` long. The blobs must fill
 * the pack up to the header exactly.
 */
export function parsePackHeader(header: Uint8Array, packBytes: number, subject: string): PackedBlob[] {
  const { blobs, bodyBytes } = parsePackEntries(header, subject)
  if (bodyBytes + header.length + SEAL_BYTES + HEADER_LENGTH_BYTES !== packBytes) {
    throw invalid(subject, 'its header does not describe its length')
  }
  return blobs
}

/** As `parsePackHeader`, for a pack of which only the header is at hand. */
export function parsePackEntries(header: Uint8Array, subject: string): { blobs: PackedBlob[]; bodyBytes: number } {
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.byteLength)
  const blobs: PackedBlob[] = []
  let offset = 0
  let at = 0
  while (at < bytes.length) {
    const blob = readEntry(bytes, at, offset, subject)
    blobs.push(blob)
    offset += blob.length
    at += entryBytes(blob.uncompressedLength)
  }
  return { blobs, bodyBytes: offset }
}

/** Visits the entries of a header that this process made itself. `plainLength` is 0 for what is stored as it is. */
export function walkPackEntries(
  entries: Buffer,
  visit: (idAt: number, isTree: boolean, offset: number, length: number, plainLength: number) => void,
): void {
  let offset = 0
  for (let at = 0; at < entries.length; ) {
    const kind = entries.readUInt8(at)
    const length = entries.readUInt32LE(at + 1)
    const compressed = (kind & 2) !== 0
    const idAt = at + (compressed ? 9 : 5)
    visit(idAt, (kind & 1) !== 0, offset, length, compressed ? entries.readUInt32LE(at + 5) : 0)
    offset += length
    at = idAt + 32
  }
}

function readEntry(bytes: Buffer, at: number, offset: number, subject: string): PackedBlob {
  const kind = bytes[at] ?? 0
  if (kind > 3) throw invalid(subject, `its header names blob type ${kind}`)
  const compressed = (kind & 2) !== 0
  const idAt = at + (compressed ? 9 : 5)
  if (idAt + 32 > bytes.length) throw invalid(subject, 'its header is cut')
  const length = bytes.readUInt32LE(at + 1)
  const uncompressedLength = compressed ? bytes.readUInt32LE(at + 5) : undefined
  if (length < SEAL_BYTES || (uncompressedLength ?? 0) > MAX_BLOB_BYTES) {
    throw invalid(subject, 'its header names an impossible length')
  }
  return {
    type: kind & 1 ? 'tree' : 'data',
    id: bytes.toString('hex', idAt, idAt + 32),
    offset,
    length,
    uncompressedLength,
  }
}

/** Length of the sealed header from a pack's last bytes (at least four of them). */
export function parseHeaderLength(tail: Uint8Array, packBytes: number, subject: string): number {
  if (tail.length < HEADER_LENGTH_BYTES) throw invalid(subject, 'it is too short')
  const length = Buffer.from(tail.buffer, tail.byteOffset, tail.byteLength).readUInt32LE(tail.length - 4)
  if (
    length < SEAL_BYTES + PLAIN_ENTRY_BYTES ||
    length > MAX_HEADER_BYTES ||
    length + HEADER_LENGTH_BYTES > packBytes
  ) {
    throw invalid(subject, 'its header has an impossible length')
  }
  return length
}
