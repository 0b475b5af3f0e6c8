/** No more of a body is handed to the system at once: each time is a sign of life of a slow line. */
const BATCH_BYTES = 256 * 1024

/**
 * A body in pieces, so many at once as go to the system in one call; the last batch may be short, and none is empty.
 * @param mostBytes for the next batch, where fewer are wanted; asked before each
 */
export function* batchesOf(
  parts: readonly Uint8Array[],
  mostBytes: () => number | undefined = () => undefined,
): Generator<Uint8Array[], undefined> {
  let batch: Uint8Array[] = []
  let left = mostBytes() ?? BATCH_BYTES
  for (const part of parts) {
    for (let at = 0; at < part.length; ) {
      const piece = part.subarray(at, at + left)
      batch.push(piece)
      at += piece.length
      left -= piece.length
      if (left > 0) continue
      yield batch
      batch = []
      left = mostBytes() ?? BATCH_BYTES
    }
  }
  if (batch.length > 0) yield batch
}
