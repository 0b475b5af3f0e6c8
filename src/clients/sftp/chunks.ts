/** Where the chunks of so many bytes begin. */
export function* chunkStarts(length: number, bytes: number): Generator<number> {
  for (let at = 0; at < length; at += bytes) yield at
}

export interface Chunk {
  readonly offset: number
  readonly length: number
  readonly pieces: readonly Uint8Array[]
}

/** The parts, joined, in chunks of `bytes`, without copying any. */
export function* cut(parts: readonly Uint8Array[], bytes: number): Generator<Chunk> {
  let [offset, length] = [0, 0]
  let pieces: Uint8Array[] = []
  for (const part of parts) {
    for (let at = 0; at < part.length; ) {
      const piece = part.subarray(at, at + bytes - length)
      pieces.push(piece)
      length += piece.length
      at += piece.length
      if (length < bytes) continue
      yield { offset, length, pieces }
      offset += length
      ;[length, pieces] = [0, []]
    }
  }
  if (length > 0) yield { offset, length, pieces }
}
