/** No more of a body is handed to the system at once: each time is a sign of life of a slow line. */
const BATCH_BYTES = 256 * 1024

/** A body in pieces, so many at once as go to the system in one call; the last batch may be short, and none is empty. */
export function* batchesOf(parts: readonly Uint8Array[]): Generator<Uint8Array[], undefined> {
  let batch: Uint8Array[] = []
  let bytes = 0
  for (const part of parts) {
    for (let at = 0; at < part.length; at += BATCH_BYTES) {
      const piece = part.subarray(at, at + BATCH_BYTES)
      batch.push(piece)
      bytes += piece.length
      if (bytes < BATCH_BYTES) continue
      yield batch
      batch = []
      bytes = 0
    }
  }
  if (batch.length > 0) yield batch
}
