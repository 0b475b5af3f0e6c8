import { throwIfAborted } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import type { BlobLocation } from '../index-store/segment.ts'
import { toBlobTable } from './blob-table.ts'
import { blobError, loadBlob } from './load-blob.ts'
import { loadRange } from './load-range.ts'
import { type PackRange, planOrderedRanges } from './ranges.ts'
import type { Reader } from './reader.ts'

// Plaintext may be many times longer than what is stored.
const LIMITS = { gapBytes: 64 * 1024, maxBytes: 1024 * 1024 }
/** Blobs whose places are looked up at a time: a file may name millions. */
const WINDOW_BLOBS = 4096

/** A file's blobs in order. Ranges ahead of the reader are loaded and opened by workers meanwhile. */
export async function* readContent(
  reader: Reader,
  content: readonly Id[],
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  const ahead: Promise<Buffer[]>[] = []
  const ranges = rangesOf(reader, content)
  try {
    for (;;) {
      throwIfAborted(signal)
      while (ahead.length < reader.workers.size + 2) {
        const next = ranges.next()
        if (next.done) break
        const opening = openRange(reader, next.value, signal)
        // Awaited in its turn; until then its failure must not look unhandled.
        opening.catch(() => {})
        ahead.push(opening)
      }
      const first = ahead.shift()
      if (!first) return
      yield* await first
    }
  } finally {
    await Promise.allSettled(ahead)
  }
}

function* rangesOf(reader: Reader, content: readonly Id[]): Generator<PackRange<BlobLocation>> {
  for (let at = 0; at < content.length; at += WINDOW_BLOBS) {
    const places: BlobLocation[] = []
    let missing: Id | undefined
    for (const id of content.slice(at, at + WINDOW_BLOBS)) {
      const place = reader.index.find('data', id)
      if (place) places.push(place)
      else {
        missing = id
        break
      }
    }
    yield* planOrderedRanges(places, LIMITS)
    if (missing !== undefined) throw blobError('data', missing, [])
  }
}

async function openRange(
  reader: Reader,
  range: PackRange<BlobLocation>,
  signal: AbortSignal | undefined,
): Promise<Buffer[]> {
  const bytes = await loadRange(reader.storage, range, signal)
  if (!(bytes instanceof Uint8Array)) return loadEach(reader, range.parts, signal)
  const { plaintext, lengths, damaged } = await reader.workers.open({
    bytes,
    blobs: toBlobTable('data', range.parts, range.offset),
  })
  const opened: Buffer[] = []
  let at = 0
  if (damaged.length > 0) return loadEach(reader, range.parts, signal)
  for (const length of lengths) {
    opened.push(Buffer.from(plaintext.buffer, plaintext.byteOffset + at, length))
    at += length
  }
  return opened
}

/** One by one, each from whichever pack has it whole; the error names the one that none has. */
async function loadEach(
  reader: Reader,
  places: readonly BlobLocation[],
  signal: AbortSignal | undefined,
): Promise<Buffer[]> {
  const opened: Buffer[] = []
  for (const { id } of places) opened.push(await loadBlob(reader, 'data', id, signal))
  return opened
}
