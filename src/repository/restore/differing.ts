import type { CompareJob, PartMarks } from './compare-job.ts'
import type { Piece } from './pieces.ts'

const JOB_BYTES = 8 * 1024 * 1024
/** Longer pieces are just written: comparing would need them in memory whole. */
const LONGEST_BYTES = 16 * 1024 * 1024

/** Is there something at this place that may be what is wanted? */
export function isComparable(piece: Piece): boolean {
  const { target, offset, length } = piece
  return target.compare && length <= LONGEST_BYTES && offset + length <= target.existingBytes
}

/** Pieces that follow each other in one file, up to some megabytes: one job for a worker. */
export function* runsOf(pieces: readonly Piece[]): Generator<Piece[]> {
  let run: Piece[] = []
  let bytes = 0
  for (const piece of pieces) {
    const last = run.at(-1)
    const follows = last?.target === piece.target && last.offset + last.length === piece.offset
    if (last && (!follows || bytes >= JOB_BYTES)) {
      yield run
      run = []
      bytes = 0
    }
    run.push(piece)
    bytes += piece.length
  }
  if (run.length > 0) yield run
}

export function toCompareJob(run: readonly Piece[], marks: PartMarks | undefined): CompareJob {
  const [first] = run
  const ids = Buffer.allocUnsafeSlow(run.length * 32)
  for (const [at, piece] of run.entries()) ids.write(piece.id, at * 32, 'hex')
  return {
    descriptor: first?.target.descriptor ?? -1,
    offset: first?.offset ?? 0,
    lengths: Uint32Array.from(run, piece => piece.length),
    ids,
    marks,
  }
}
