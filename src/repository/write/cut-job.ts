import { hash } from 'node:crypto'
import { GearChunker } from '../chunker/gear-chunker.ts'
import type { KeyMaterial } from '../format/key-file.ts'
import type { ReadableContent } from '../repository.ts'

/** Runs in a worker: where the bytes of `[start, end)` are cut into blobs, and the blobs' ids. */
export interface CutJob {
  readonly slab: Uint8Array
  readonly start: number
  readonly end: number
  readonly cut: ReadableContent['cut']
  /** The content ends at `end`. Else, cut by content, bytes after the last cut are left for the next job. */
  readonly final: boolean
}

export interface CutOutcome {
  readonly slab: Uint8Array
  /** Each blob begins where the one before ends. */
  readonly ends: Uint32Array
  /** 32 bytes a blob. */
  readonly digests: Uint8Array
}

export function runCutJob(job: CutJob, keys: KeyMaterial): CutOutcome {
  const ends = job.cut.kind === 'fixed' ? fixedCuts(job, job.cut.blockBytes) : contentCuts(job, keys)
  return { slab: job.slab, ends, digests: digestParts(job.slab, job.start, ends) }
}

/** The SHA-256 of each part, one after the other. */
export function digestParts(bytes: Uint8Array, start: number, ends: Uint32Array): Uint8Array {
  const digests = Buffer.allocUnsafeSlow(ends.length * 32)
  let from = start
  for (const [i, end] of ends.entries()) {
    // As a string it stays off the heap of buffers, which are slow to free.
    digests.write(hash('sha256', bytes.subarray(from, end), 'binary'), i * 32, 'latin1')
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
