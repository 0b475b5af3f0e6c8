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
  /** Where its first copy lies. */
  readonly place: BlobLocation
}

export interface PieceSource {
  /** A data blob's first copy, or undefined when no index knows it. */
  readonly find: (id: Id) => BlobLocation | undefined
  readonly onOpened: (target: Target) => void
  /** The file cannot be written whole because this blob is nowhere. What precedes it is. */
  readonly onMissing: (target: Target, id: Id) => void
  /** All pieces of it were given out: when none is pending, none will come. */
  readonly onPlanned: (target: Target) => void
}

/** What bounds the memory and the open files of a restore, whatever its size. */
const BATCH_PIECES = 1024
const BATCH_FILES = 128

/**
 * Cuts files into batches of pieces, opening each file when its first piece is given out. A large file spans many
 * batches, a batch holds many small files.
 */
export function* planPieces(files: Iterable<FileToWrite>, source: PieceSource): Generator<Piece[]> {
  let batch: Piece[] = []
  let opened = 0
  for (const file of files) {
    const target = openTarget(file)
    source.onOpened(target)
    target.pending = 1
    opened++
    for (const piece of piecesOf(file, target, source)) {
      batch.push(piece)
      if (batch.length < BATCH_PIECES) continue
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

function* piecesOf(file: FileToWrite, target: Target, source: PieceSource): Generator<Piece> {
  for (const id of file.content) {
    const place = source.find(id)
    if (place === undefined) {
      target.cut = true
      source.onMissing(target, id)
      return
    }
    const offset = target.contentBytes
    const length = plaintextLength(place)
    target.contentBytes += length
    target.pending++
    yield { target, id, offset, length, place }
  }
}
