import { AppError, isAppError } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import type { BlobType } from '../contract/blob.ts'
import { shortId } from '../format/file-keys.ts'
import type { PackedBlob } from '../format/pack-header.ts'
import type { BlobLocation } from '../index-store/segment.ts'
import { openBlob } from '../pack/blob.ts'
import { plaintextLength } from './blob-table.ts'
import { loadRangeOf } from './others.ts'
import { healedReader, type Reader } from './reader.ts'

const HINT = 'Run "lifeboat check --read-data" to see what else is damaged, and use another snapshot meanwhile.'

export const NO_INDEX = 'it is in no index'

/** Plaintext of one blob, from the first of its packs that is whole. `damaged` when there is none. */
export async function loadBlob(reader: Reader, type: BlobType, id: Id, signal?: AbortSignal): Promise<Buffer> {
  // The codec's buffer is used again: the caller gets bytes of its own.
  return await fromAnyCopy(reader, type, id, signal, (sealed, place, { cipher, zstd }) =>
    Buffer.from(openBlob(sealed, place, cipher, zstd)),
  )
}

/** Makes of a copy what is wanted; throws `damaged`. */
type Opening<T> = (sealed: Buffer, place: PackedBlob, from: Reader) => T

/** What `open` makes of the first copy of a blob in which it finds no damage, here or in another repository. */
export async function fromAnyCopy<T>(
  reader: Reader,
  type: BlobType,
  id: Id,
  signal: AbortSignal | undefined,
  open: Opening<T>,
): Promise<T> {
  const reasons: string[] = []
  const own = await fromOwnCopy(reader, { type, id }, signal, open, reasons)
  if (own) return own.opened
  const healing = healedReader(reader)
  const healed = healing && (await fromOwnCopy(healing, { type, id }, signal, open, []))
  if (healed) return healed.opened
  for await (const other of reader.others?.usable() ?? []) {
    const theirs: string[] = []
    const from = { ...other.reader, others: reader.others }
    const found = await fromOwnCopy(from, { type, id }, signal, open, theirs)
    if (found) {
      other.onTaken(1, plaintextLength(found.place))
      return found.opened
    }
    reasons.push(`${other.reader.storage.location}: ${theirs.join('; ') || NO_INDEX}`)
  }
  throw blobError(type, id, reasons)
}

/** Undefined: none is whole. @param reasons gets what is wrong with each */
async function fromOwnCopy<T>(
  reader: Reader,
  { type, id }: Pick<PackedBlob, 'type' | 'id'>,
  signal: AbortSignal | undefined,
  open: Opening<T>,
  reasons: string[],
): Promise<{ readonly opened: T; readonly place: PackedBlob } | undefined> {
  for (const place of reader.index.findAll(type, id)) {
    const kept = type === 'tree' ? await fromKeptPack(reader, place, signal, open) : undefined
    if (kept) return { opened: kept.opened, place }
    const bytes = await loadRangeOf(reader, place, signal)
    try {
      if (bytes instanceof Uint8Array) return { opened: open(bytes, place, reader), place }
      if (bytes.isCut) reader.noted?.addPack(place.packId)
      reasons.push(`pack ${shortId(place.packId)}: ${bytes.reason}`)
    } catch (error) {
      if (!isAppError(error, 'damaged')) throw error
      reader.noted?.addCopy(place)
      reasons.push(`pack ${shortId(place.packId)}: ${error.message}`)
    }
  }
  return undefined
}

async function fromKeptPack<T>(
  reader: Reader,
  place: BlobLocation,
  signal: AbortSignal | undefined,
  open: Opening<T>,
): Promise<{ readonly opened: T } | undefined> {
  const bytes = await reader.keptPacks?.load(place, reader.storage, signal)
  try {
    return bytes && { opened: open(bytes, place, reader) }
  } catch (error) {
    if (!isAppError(error, 'damaged')) throw error
    // It says nothing about the one in the storage.
    await reader.keptPacks?.forget(place.packId)
    return undefined
  }
}

/** `damaged`, naming the blob and what is wrong in each pack that should have it. */
export function blobError(type: BlobType, id: Id, reasons: readonly string[]): AppError {
  const why = reasons.length === 0 ? NO_INDEX : reasons.join('; ')
  return new AppError('damaged', `cannot read ${type} blob ${shortId(id)}: ${why}`, {
    hint: HINT,
    context: { type, blob: id },
  })
}
