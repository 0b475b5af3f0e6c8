import type { Id } from '../../model/node.ts'
import { isId } from './file-keys.ts'
import { invalid, JsonObject, utf8 } from './json.ts'
import { MAX_BLOB_BYTES, type PackedBlob, SEAL_BYTES, walkPackEntries } from './pack-header.ts'

export interface IndexedPack {
  readonly id: Id
  readonly blobs: readonly PackedBlob[]
}

/** The packs that an index file lists. `supersedes`, which older restic wrote, is obsolete and ignored. */
export function parseIndex(bytes: Uint8Array, subject: string): IndexedPack[] {
  let value: unknown
  try {
    value = JSON.parse(utf8(bytes))
  } catch (cause) {
    throw invalid(subject, 'it is not JSON', cause)
  }
  // The oldest restic wrote a bare list of packs.
  const packs = Array.isArray(value) ? value : new JsonObject(value, subject).list('packs')
  return packs.map(pack => parsePack(pack, subject))
}

function parsePack(value: unknown, subject: string): IndexedPack {
  const fields = new JsonObject(value, subject)
  return { id: fields.id('id'), blobs: fields.list('blobs').map(blob => parseBlob(blob, subject)) }
}

// An index has very many of these: plain property reads instead of JsonObject.
function parseBlob(value: unknown, subject: string): PackedBlob {
  const blob = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  const { id, type, offset, length } = blob
  const uncompressedLength = blob['uncompressed_length'] || undefined
  if (typeof id !== 'string' || !isId(id) || (type !== 'data' && type !== 'tree')) {
    throw invalid(subject, 'a blob has no id or type')
  }
  if (!isUint32(offset) || !isUint32(length) || length < SEAL_BYTES) throw invalid(subject, 'a blob has no place')
  if (uncompressedLength !== undefined && (!isUint32(uncompressedLength) || uncompressedLength > MAX_BLOB_BYTES)) {
    throw invalid(subject, 'a blob has an impossible length')
  }
  return { id, type, offset, length, uncompressedLength }
}

function isUint32(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffffffff
}

export function formatIndex(packs: Iterable<IndexedPack>): Buffer {
  const parts: Buffer[] = []
  for (const pack of packs) parts.push(formatPack(pack.id, pack.blobs.map(formatBlob)))
  return joinPacks(parts)
}

/** The same from pack headers (plaintext) that this process made itself: an index has very many blobs. */
export function formatIndexOfEntries(packs: Iterable<{ readonly id: Id; readonly entries: Uint8Array }>): Buffer {
  const parts: Buffer[] = []
  for (const { id, entries } of packs) {
    const bytes = Buffer.from(entries.buffer, entries.byteOffset, entries.byteLength)
    const blobs: string[] = []
    walkPackEntries(bytes, (idAt, isTree, offset, length, plainLength) => {
      const type = isTree ? 'tree' : 'data'
      const uncompressedLength = plainLength === 0 ? undefined : plainLength
      blobs.push(formatBlob({ id: bytes.toString('hex', idAt, idAt + 32), type, offset, length, uncompressedLength }))
    })
    parts.push(formatPack(id, blobs))
  }
  return joinPacks(parts)
}

// Bytes at once: the strings of a whole index would take several times its size.
function formatPack(id: Id, blobs: readonly string[]): Buffer {
  return Buffer.from(`{"id":"${id}","blobs":[${blobs.join(',')}]}`, 'latin1')
}

function joinPacks(packs: readonly Buffer[]): Buffer {
  const comma = Buffer.from(',')
  const list = packs.flatMap((pack, i) => (i === 0 ? [pack] : [comma, pack]))
  return Buffer.concat([Buffer.from('{"packs":['), ...list, Buffer.from(']}\n')])
}

function formatBlob({ id, type, offset, length, uncompressedLength }: PackedBlob): string {
  const tail = uncompressedLength === undefined ? '' : `,"uncompressed_length":${uncompressedLength}`
  return `{"id":"${id}","type":"${type}","offset":${offset},"length":${length}${tail}}`
}
