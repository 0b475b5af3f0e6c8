import type { Id } from '../../model/node.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Cipher } from '../crypto/cipher.ts'
import { shortId } from '../format/file-keys.ts'
import { loadRange } from './load-range.ts'
import { type PackContents, readPackContents } from './pack-contents.ts'

/** Enough for the headers of nearly all packs: one call instead of two. */
const FIRST_TAIL_BYTES = 64 * 1024

/**
 * What a pack says it holds, without the help of an index.
 *
 * @param tailBytes how long the header is likely to be, with its length
 */
export async function loadPackContents(
  { storage, cipher }: { readonly storage: Storage; readonly cipher: Cipher },
  pack: Id,
  packBytes: number,
  signal: AbortSignal | undefined,
  tailBytes = FIRST_TAIL_BYTES,
): Promise<PackContents> {
  const subject = `pack ${shortId(pack)}`
  for (let length = Math.min(tailBytes, packBytes); ; length = packBytes) {
    const tail = await loadRange(storage, { packId: pack, offset: packBytes - length, length }, signal)
    if (!(tail instanceof Uint8Array)) return tail
    const contents = readPackContents(tail, packBytes, subject, cipher)
    if ('blobs' in contents || length === packBytes) return contents
  }
}
