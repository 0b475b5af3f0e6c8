import { readSync } from 'node:fs'
import { AppError, messageOf } from '../../base/errors.ts'
import type { FilePiece, ReadableContent } from '../contract/writing.ts'
import type { KeyMaterial } from '../format/key-file.ts'
import { type Cuts, cutBytes } from './cut-job.ts'
import type { MarkOrder } from './marking.ts'
import type { Slot, Slots } from './slots.ts'

/** Runs in a worker: reads a part of a file into a slot, where it stays, and says how it is cut into blobs. */
export interface ReadJob {
  readonly slot: Slot
  readonly piece: FilePiece
  /** Fixed blocks: of which a slot holds a whole number. */
  readonly cut: ReadableContent['cut']
  readonly marks: MarkOrder | undefined
}

export function runReadJob({ slot, piece, cut, marks }: ReadJob, slots: Slots, keys: KeyMaterial): Cuts {
  const slab = slots.open(slot)
  const end = piece.lengthBytes
  readPiece(piece, slab.subarray(0, end))
  return cutBytes({ slab, start: 0, end, cut, final: end < slab.length, marks }, keys)
}

function readPiece({ descriptor, position }: FilePiece, into: Uint8Array): void {
  let filled = 0
  try {
    while (filled < into.length) {
      const count = readSync(descriptor, into, filled, into.length - filled, position + filled)
      if (count === 0) break
      filled += count
    }
  } catch (cause) {
    throw new AppError('source-unreachable', `cannot read the source: ${messageOf(cause)}`, {
      hint: 'Look whether its disk is there and sound, then run the command again.',
      cause,
    })
  }
  into.fill(0, filled)
}
