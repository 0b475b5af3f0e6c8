import { AppError, isAppError } from '../../base/errors.ts'
import type { Id, TreeNode } from '../../model/node.ts'
import { shortId } from '../format/file-keys.ts'
import { parseTree } from '../format/tree.ts'
import { openBlob } from '../pack/blob.ts'
import type { BlobType } from '../repository.ts'
import { loadRange } from './load-range.ts'
import type { Reader } from './reader.ts'

const HINT = 'Run "lifeboat check --read-data" to see what else is damaged, and use another snapshot meanwhile.'

/** Plaintext of one blob, from the first of its packs that is whole. `damaged` when there is none. */
export async function loadBlob(reader: Reader, type: BlobType, id: Id, signal?: AbortSignal): Promise<Buffer> {
  const reasons: string[] = []
  for (const place of reader.index.findAll(type, id)) {
    const bytes = await loadRange(reader.storage, place, signal)
    try {
      // The codec's buffer is used again: the caller gets bytes of its own.
      if (bytes instanceof Uint8Array) return Buffer.from(openBlob(bytes, place, reader.cipher, reader.zstd))
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

/** A tree's nodes in byte order of their names. `damaged` when missing or wrong. */
export async function loadTree(reader: Reader, id: Id, signal?: AbortSignal): Promise<TreeNode[]> {
  return parseTree(await loadBlob(reader, 'tree', id, signal), `tree ${shortId(id)}`)
}
