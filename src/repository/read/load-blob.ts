import { AppError, isAppError } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import type { BlobType } from '../contract/blob.ts'
import { shortId } from '../format/file-keys.ts'
import type { PackedBlob } from '../format/pack-header.ts'
import { openBlob } from '../pack/blob.ts'
import { loadRange } from './load-range.ts'
import type { Reader } from './reader.ts'

const HINT = 'Run "lifeboat check --read-data" to see what else is damaged, and use another snapshot meanwhile.'

/** Plaintext of one blob, from the first of its packs that is whole. `damaged` when there is none. */
export async function loadBlob(reader: Reader, type: BlobType, id: Id, signal?: AbortSignal): Promise<Buffer> {
  // The codec's buffer is used again: the caller gets bytes of its own.
  return await fromAnyCopy(reader, type, id, signal, (sealed, place) =>
    Buffer.from(openBlob(sealed, place, reader.cipher, reader.zstd)),
  )
}

/** What `open` makes of the first copy of a blob in which it finds no damage. */
export async function fromAnyCopy<T>(
  reader: Reader,
  type: BlobType,
  id: Id,
  signal: AbortSignal | undefined,
  open: (sealed: Buffer, place: PackedBlob) => T,
): Promise<T> {
  const reasons: string[] = []
  for (const place of reader.index.findAll(type, id)) {
    const bytes = await loadRange(reader.storage, place, signal)
    try {
      if (bytes instanceof Uint8Array) return open(bytes, place)
      if (bytes.isCut) reader.noted?.addPack(place.packId)
      reasons.push(`pack ${shortId(place.packId)}: ${bytes.reason}`)
    } catch (error) {
      if (!isAppError(error, 'damaged')) throw error
      reader.noted?.addCopy(place)
      reasons.push(`pack ${shortId(place.packId)}: ${error.message}`)
    }
  }
  throw blobError(type, id, reasons)
}

/** `damaged`, naming the blob and what is wrong in each pack that should have it. */
export function blobError(type: BlobType, id: Id, reasons: readonly string[]): AppError {
  const why = reasons.length === 0 ? 'it is in no index' : reasons.join('; ')
  return new AppError('damaged', `cannot read ${type} blob ${shortId(id)}: ${why}`, {
    hint: HINT,
    context: { type, blob: id },
  })
}
