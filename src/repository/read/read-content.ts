import { throwIfAborted } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import type { BlobLocation } from '../index-store/segment.ts'
import { toBlobTable } from './blob-table.ts'
import { loadBlob } from './load-blob.ts'
import { loadRangeOf } from './others.ts'
import { type PackRange, planOrderedRanges } from './ranges.ts'
import type { Reader } from './reader.ts'
import { RecycledMemory } from './recycled-memory.ts'

/** Of the plaintext no more than the longest blob has by itself. */
const LIMITS = { gapBytes: 64 * 1024, maxBytes: 1024 * 1024, maxPlainBytes: 8 * 1024 * 1024 }
/** Blobs whose places are looked up at a time: a file may name millions. */
const WINDOW_BLOBS = 4096

type Opening<T> = (reader: Reader, range: PackRange<BlobLocation> | Id, signal: AbortSignal | undefined) => Promise<T>

/** A file's blobs in order. Ranges ahead of the reader are loaded and opened by workers meanwhile. */
export async function* readContent(
  reader: Reader,
  content: readonly Id[],
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  for await (const opened of inOrder(reader, content, openRange, signal)) yield* opened
}

/**
 * Opens and checks a file's blobs as `readContent` does, but gives only how many bytes they hold, range by range: the
 * plaintext stays where it was made, and the memory of what was loaded is used again.
 */
export async function* checkContent(
  reader: Reader,
  content: readonly Id[],
  signal?: AbortSignal,
): AsyncGenerator<number> {
  const memory = new RecycledMemory(rangesAhead(reader))
  yield* inOrder(reader, content, (...from) => checkRange(memory, ...from), signal)
}

function rangesAhead({ workers }: Reader): number {
  return workers.size + 2
}

async function* inOrder<T>(
  reader: Reader,
  content: readonly Id[],
  open: Opening<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T> {
  const ahead: Promise<T>[] = []
  const ranges = rangesOf(reader, content)
  try {
    for (;;) {
      throwIfAborted(signal)
      while (ahead.length < rangesAhead(reader)) {
        const next = ranges.next()
        if (next.done) break
        const opening = open(reader, next.value, signal)
        // Awaited in its turn; until then its failure must not look unhandled.
        opening.catch(() => {})
        ahead.push(opening)
      }
      const first = ahead.shift()
      if (!first) return
      yield await first
    }
  } finally {
    await Promise.allSettled(ahead)
  }
}

/** In order; of a blob that is in no index just its id. */
function* rangesOf(reader: Reader, content: readonly Id[]): Generator<PackRange<BlobLocation> | Id> {
  for (let at = 0; at < content.length; at += WINDOW_BLOBS) {
    let places: BlobLocation[] = []
    for (const id of content.slice(at, at + WINDOW_BLOBS)) {
      const place = reader.index.find('data', id)
      if (place) {
        places.push(place)
        continue
      }
      yield* planOrderedRanges(places, LIMITS)
      places = []
      yield id
    }
    yield* planOrderedRanges(places, LIMITS)
  }
}

async function openRange(
  reader: Reader,
  range: PackRange<BlobLocation> | Id,
  signal: AbortSignal | undefined,
): Promise<Buffer[]> {
  if (typeof range === 'string') return [await loadBlob(reader, 'data', range, signal)]
  const bytes = await loadRangeOf(reader, range, signal)
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

async function checkRange(
  memory: RecycledMemory,
  reader: Reader,
  range: PackRange<BlobLocation> | Id,
  signal: AbortSignal | undefined,
): Promise<number> {
  if (typeof range === 'string') return (await loadBlob(reader, 'data', range, signal)).length
  const bytes = await loadRangeOf(reader, range, signal, memory.take(range.length))
  if (bytes instanceof Uint8Array) {
    const blobs = toBlobTable('data', range.parts, range.offset)
    const checked = await reader.workers.sift({ bytes, blobs })
    memory.give(checked.bytes)
    if (checked.damaged.length === 0) return checked.plainBytes
  }
  const opened = await loadEach(reader, range.parts, signal)
  return opened.reduce((sum, { length }) => sum + length, 0)
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
