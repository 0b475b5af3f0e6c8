import type { Id } from '../../model/node.ts'
import type { FileToWrite } from '../contract/restoring.ts'
import type { BlobLocation } from '../index-store/segment.ts'
import { plaintextLength } from '../read/blob-table.ts'
import { openTarget, type Target } from './target.ts'

/** One blob at one place of one file. */
export interface Piece {
  readonly target: Target
  readonly id: Id
  readonly offset: number
  readonly length: number
  /** Where its first copy lies; undefined: only in another repository. */
  readonly place: BlobLocation | undefined
}

export interface PieceSource {
  /** A data blob's first copy, or undefined when no index knows it. */
  readonly find: (id: Id) => BlobLocation | undefined
  /** The same for other repositories, which are asked for what is not here. */
  readonly findElsewhere: (id: Id) => Promise<BlobLocation | undefined>
  readonly onOpened: (target: Target) => void
  /** The file cannot be written whole because this blob is nowhere. What precedes it is. */
  readonly onMissing: (target: Target, id: Id) => void
  /** All pieces of it were given out: when none is pending, none will come. */
  readonly onPlanned: (target: Target) => void
  /** At most so many are given out at once. */
  readonly batchPieces: number
}

/** What bounds the open files of a restore, whatever its size. */
const BATCH_FILES = 128

/**
 * Cuts files into batches of pieces, opening each file when its first piece is given out. A large file spans many
 * batches, a batch holds many small files.
 */
export async function* planPieces(files: Iterable<FileToWrite>, source: PieceSource): AsyncGenerator<Piece[]> {
  let batch: Piece[] = []
  let opened = 0
  for (const file of files) {
    const target = openTarget(file)
    source.onOpened(target)
    target.pending = 1
    opened++
    for (const id of file.content) {
      const place = source.find(id)
      const known = place ?? (await source.findElsewhere(id))
      if (known === undefined) {
        target.cut = true
        source.onMissing(target, id)
        break
      }
      batch.push(nextPiece(target, id, plaintextLength(known), place))
      if (batch.length < source.batchPieces) continue
      yield batch
      batch = []
      opened = 1
    }
    target.pending--
    source.onPlanned(target)
    if (opened < BATCH_FILES) continue
    yield batch
    batch = []
    opened = 0
  }
  if (batch.length > 0) yield batch
}

function nextPiece(target: Target, id: Id, length: number, place: BlobLocation | undefined): Piece {
  const offset = target.contentBytes
  target.contentBytes += length
  target.pending++
  return { target, id, offset, length, place }
}
