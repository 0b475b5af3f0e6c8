import { forEachLimit } from '../../base/concurrency.ts'
import { isAppError, throwIfAborted } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { RepositoryContext } from '../files/repository-files.ts'
import { shortId } from '../format/file-keys.ts'
import { invalid } from '../format/json.ts'
import type { PackedBlob } from '../format/pack-header.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import { openBlob } from '../pack/blob.ts'
import { type BlobTable, rowOf, tableSize, toBlobTable } from '../read/blob-table.ts'
import { loadBlob } from '../read/load-blob.ts'
import { loadRange } from '../read/load-range.ts'
import { readPackContents } from '../read/pack-contents.ts'
import type { ReadingWorkers } from '../read/reader.ts'
import { groupsOf, placesFromIndex } from './from-index.ts'
import type { PackWriter } from './pack-writer.ts'
import type { PackUse } from './plan.ts'
import type { SiftOutcome } from './sift-job.ts'
import { isUncompressed, type PackUsage } from './usage.ts'
import { refusal } from './used-blobs.ts'

const COMPRESSION = { level: 3 } as const

export interface RepackContext extends RepositoryContext {
  readonly workers: ReadingWorkers
  readonly usage: PackUsage
  readonly index: BlobIndex
  readonly writer: PackWriter
  readonly signal: AbortSignal
}

/**
 * Copies the needed blobs of some packs to new ones, sealed as they are, each opened and checked before: pruning must
 * not spread damage. Returns findings for the packs that are damaged; those must be kept.
 */
export async function repack(
  context: RepackContext,
  packs: readonly PackUse[],
  onDone: (pack: PackUse) => void,
): Promise<Map<Id, Finding>> {
  const damaged = new Map<Id, Finding>()
  const repackOne = async (pack: PackUse, bytes: Uint8Array, wanted: readonly PackedBlob[]): Promise<void> => {
    const lost = await copyWanted(context, pack, bytes, wanted)
    if (lost > 0) damaged.set(pack.id, damagedPack(pack.id, lost))
    onDone(pack)
  }
  const broken: PackUse[] = []
  await forEachLimit(packs, context.workers.size, async pack => {
    throwIfAborted(context.signal)
    const bytes = await loadPack(context, pack)
    const contents = readPackContents(bytes, bytes.length, `pack ${shortId(pack.id)}`, context.cipher)
    if ('reason' in contents) broken.push(pack)
    else await repackOne(pack, bytes, wantedOf(context.usage, pack, contents.blobs))
  })
  // Where the header is damaged the index tells: what it says was compared with the pack's size before.
  for (const group of groupsOf(broken)) {
    const places = placesFromIndex(context.index, context.usage, group)
    await forEachLimit(group, context.workers.size, async pack => {
      throwIfAborted(context.signal)
      await repackOne(pack, await loadPack(context, pack), places.get(pack.id) ?? [])
    })
  }
  return damaged
}

async function loadPack({ storage, signal }: RepackContext, pack: PackUse): Promise<Uint8Array> {
  const length = pack.usedBytes + pack.unusedBytes
  const bytes = await loadRange(storage, { packId: pack.id, offset: 0, length }, signal)
  if (!(bytes instanceof Uint8Array)) throw refusal(invalid(`pack ${shortId(pack.id)}`, bytes.reason))
  return bytes
}

/** Returns how many needed blobs are damaged. */
async function copyWanted(
  context: RepackContext,
  pack: PackUse,
  bytes: Uint8Array,
  wanted: readonly PackedBlob[],
): Promise<number> {
  let lost = pack.usedBlobs - wanted.length
  let loaded = bytes
  for (const type of ['tree', 'data'] as const) {
    const blobs = toBlobTable(
      type,
      wanted.filter(blob => blob.type === type),
      0,
    )
    if (tableSize(blobs) === 0) continue
    const sifted = await context.workers.sift({ bytes: loaded, blobs })
    loaded = sifted.bytes
    await copyWhole(context, blobs, sifted)
    for (const at of sifted.damaged) if (!(await takeElsewhere(context, rowOf(blobs, at)))) lost++
  }
  return lost
}

/** What is needed of what the pack's own header names, each once. */
function wantedOf(usage: PackUsage, pack: PackUse, blobs: readonly PackedBlob[]): PackedBlob[] {
  const seen = new Set<string>()
  return blobs.filter(({ type, id }) => {
    const key = `${type} ${id}`
    if (seen.has(key) || !usage.isChosen(pack.id, type, id)) return false
    seen.add(key)
    return true
  })
}

async function copyWhole(context: RepackContext, blobs: BlobTable, { bytes, damaged }: SiftOutcome): Promise<void> {
  const bad = new Set(damaged)
  for (let at = 0; at < tableSize(blobs); at++) {
    if (bad.has(at)) continue
    const blob = rowOf(blobs, at)
    // A copy: a few blobs must not keep their whole pack in memory until the new one is full.
    const sealed = Buffer.from(bytes.subarray(blob.offset, blob.offset + blob.length))
    if (mustCompress(context, blob)) await addCompressed(context, blob, sealed)
    else await context.writer.add(blob, sealed)
  }
}

/** A copy in another pack takes the place of a damaged one. */
async function takeElsewhere(context: RepackContext, { type, id }: PackedBlob): Promise<boolean> {
  const { cipher, zstd, writer, version, signal } = context
  try {
    const plaintext = await loadBlob(context, type, id, signal)
    const packed = version === 2 ? zstd.compress(plaintext, COMPRESSION) : plaintext
    const sealed = cipher.seal(packed)
    const uncompressedLength = version === 2 ? plaintext.length : undefined
    await writer.add({ type, id, length: sealed.length, uncompressedLength }, sealed)
    return true
  } catch (error) {
    if (!isAppError(error, 'damaged')) throw error
    return false
  }
}

/** Version 1 stored everything as it is. Trees are read again and again: they gain the most. */
function mustCompress({ version }: RepackContext, blob: PackedBlob): boolean {
  return version === 2 && blob.type === 'tree' && isUncompressed(blob)
}

async function addCompressed(context: RepackContext, blob: PackedBlob, sealed: Uint8Array): Promise<void> {
  const { cipher, zstd, writer } = context
  const plaintext = Buffer.from(openBlob(sealed, blob, cipher, zstd))
  const compressed = cipher.seal(zstd.compress(plaintext, COMPRESSION))
  await writer.add({ ...blob, length: compressed.length, uncompressedLength: plaintext.length }, compressed)
}

function damagedPack(pack: Id, lost: number): Finding {
  return {
    severity: 'error',
    code: 'pack-damaged',
    subject: `pack ${shortId(pack)}`,
    message: `${lost} needed ${lost === 1 ? 'blob' : 'blobs'} in the pack ${lost === 1 ? 'is' : 'are'} damaged; it was kept as it is`,
    hint: 'Run "lifeboat check --read-data" to see which snapshots are hurt.',
  }
}
