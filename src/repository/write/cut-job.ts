import { hash } from 'node:crypto'
import { GearChunker } from '../chunker/gear-chunker.ts'
import type { ReadableContent } from '../contract/writing.ts'
import type { KeyMaterial } from '../format/key-file.ts'
import { MARK_BYTES, Marker } from '../marks/marks.ts'
import type { MarkOrder } from './marking.ts'

/** Runs in a worker: where the bytes of `[start, end)` are cut into blobs, and the blobs' ids. */
export interface CutJob {
  readonly slab: Uint8Array
  readonly start: number
  readonly end: number
  readonly cut: ReadableContent['cut']
  /** The content ends at `end`. Else, cut by content, bytes after the last cut are left for the next job. */
  readonly final: boolean
  /** Only for fixed blocks, of which a part holds a whole number. */
  readonly marks?: MarkOrder | undefined
}

export interface CutOutcome extends Cuts {
  readonly slab: Uint8Array
}

export interface Cuts {
  /** Each blob begins where the one before ends. */
  readonly ends: Uint32Array
  /** 32 bytes a blob. Zeros for what is as before. */
  readonly digests: Uint8Array
  /** One mark for each part, when they were ordered. */
  readonly marks?: Uint8Array | undefined
  /** 1 for each blob that is as before by its mark, else 0. */
  readonly same?: Uint8Array | undefined
}

export function runCutJob(job: CutJob, keys: KeyMaterial): CutOutcome {
  return { slab: job.slab, ...cutBytes(job, keys) }
}

export function cutBytes(job: CutJob, keys: KeyMaterial): Cuts {
  const { slab, start } = job
  const ends = job.cut.kind === 'fixed' ? fixedCuts(job, job.cut.blockBytes) : contentCuts(job, keys)
  if (job.cut.kind !== 'fixed' || job.marks === undefined) return { ends, digests: digestParts(slab, start, ends) }
  const marked = mark(job, job.marks, job.cut.blockBytes, ends.length)
  return { ends, digests: digestParts(slab, start, ends, marked.same), ...marked }
}

function mark(
  { slab, start, end }: CutJob,
  { key, partBytes, before }: MarkOrder,
  blockBytes: number,
  blobs: number,
): { marks: Uint8Array; same: Uint8Array } {
  const marker = new Marker(key)
  const marks = Buffer.allocUnsafeSlow(Math.ceil((end - start) / partBytes) * MARK_BYTES)
  const same = new Uint8Array(blobs)
  const blobsAPart = partBytes / blockBytes
  for (let part = 0; part * MARK_BYTES < marks.length; part++) {
    const from = start + part * partBytes
    const found = marker.mark(slab.subarray(from, Math.min(end, from + partBytes)))
    found.copy(marks, part * MARK_BYTES)
    const wanted = before?.subarray(part * MARK_BYTES, (part + 1) * MARK_BYTES)
    if (wanted && found.equals(wanted)) same.fill(1, part * blobsAPart, (part + 1) * blobsAPart)
  }
  return { marks, same }
}

/** One after the other; those that are `same` stay zero. */
export function digestParts(bytes: Uint8Array, start: number, ends: Uint32Array, same?: Uint8Array): Uint8Array {
  const digests = Buffer.alloc(ends.length * 32)
  let from = start
  for (const [i, end] of ends.entries()) {
    // As a string it stays off the heap of buffers, which are slow to free.
    if (same?.[i] !== 1) digests.write(hash('sha256', bytes.subarray(from, end), 'binary'), i * 32, 'latin1')
    from = end
  }
  return digests
}

export function fixedCuts({ start, end }: Pick<CutJob, 'start' | 'end'>, blockBytes: number): Uint32Array {
  return Uint32Array.from({ length: Math.ceil((end - start) / blockBytes) }, (_, i) =>
    Math.min(end, start + (i + 1) * blockBytes),
  )
}

// One a thread: a repository's table never changes.
const chunkers = new WeakMap<KeyMaterial, GearChunker>()

export function contentCuts({ slab, start, end, final }: CutJob, keys: KeyMaterial): Uint32Array {
  const chunker = chunkers.get(keys) ?? new GearChunker(keys)
  chunkers.set(keys, chunker)
  const ends: number[] = []
  for (let from = start; from < end; ) {
    const cut = chunker.nextCut(slab, from, end, final)
    if (cut === undefined) break
    ends.push(cut)
    from = cut
  }
  return Uint32Array.from(ends)
}
