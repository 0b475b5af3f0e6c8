import { isAppError } from '../../base/errors.ts'
import type { PackedBlob } from '../format/pack-header.ts'
import { checkBlob } from '../pack/blob.ts'
import { BlobMover } from '../pack/move-blobs.ts'
import { PackWriter, type SavedPack } from '../pack/pack-writer.ts'
import { loadBlob } from '../read/load-blob.ts'
import type { Reader } from '../read/reader.ts'
import { Failure } from '../write/failure.ts'
import type { DamagedPack } from './damaged-packs.ts'
import type { RepairContext } from './repair-context.ts'

/** Takes blobs over into new packs; in a dry run only looks whether it could. */
export interface BlobTaker {
  /** New packs, stored. */
  readonly saved: readonly SavedPack[]
  /** Those that are whole in the pack. Gives back the others. */
  takeWhole(pack: DamagedPack): Promise<readonly PackedBlob[]>
  /** From another pack or another repository; false: nobody has it. */
  takeFromAnywhere(blob: Pick<PackedBlob, 'type' | 'id'>): Promise<boolean>
  /** Everything that was taken is stored when this resolves. */
  finish(): Promise<void>
  /** Nothing goes on any more when this resolves. */
  idle(): Promise<void>
}

export class CountingTaker implements BlobTaker {
  readonly saved: readonly SavedPack[] = []
  readonly #reader: Reader
  readonly #signal: AbortSignal

  constructor(reader: Reader, signal: AbortSignal) {
    this.#reader = reader
    this.#signal = signal
  }

  async takeWhole(pack: DamagedPack): Promise<readonly PackedBlob[]> {
    return damagedBlobs(this.#reader, pack)
  }

  async takeFromAnywhere({ type, id }: Pick<PackedBlob, 'type' | 'id'>): Promise<boolean> {
    try {
      await loadBlob(this.#reader, type, id, this.#signal)
      return true
    } catch (error) {
      if (isAppError(error, 'damaged')) return false
      throw error
    }
  }

  async finish(): Promise<void> {}

  async idle(): Promise<void> {}
}

export class MovingTaker implements BlobTaker {
  readonly saved: SavedPack[] = []
  readonly #reader: Reader
  readonly #failure: Failure
  readonly #packs: PackWriter
  readonly #mover: BlobMover

  constructor(context: RepairContext, reader: Reader, signal: AbortSignal) {
    const { storage, cipher, workers } = context
    const failure = new Failure(signal)
    const packs = new PackWriter({ storage, cipher, failure, onSaved: pack => this.saved.push(pack) })
    this.#reader = reader
    this.#failure = failure
    this.#packs = packs
    this.#mover = new BlobMover({
      from: reader,
      fromKeys: undefined,
      tools: context,
      workers,
      packs,
      signal: failure.signal,
    })
  }

  async takeWhole(pack: DamagedPack): Promise<readonly PackedBlob[]> {
    const bad = damagedBlobs(this.#reader, pack)
    const whole = pack.blobs.filter(blob => !bad.includes(blob))
    if (pack.bytes !== undefined && whole.length > 0) await this.#mover.move(pack.bytes, 0, whole)
    return bad
  }

  takeFromAnywhere(blob: Pick<PackedBlob, 'type' | 'id'>): Promise<boolean> {
    return this.#mover.moveFromAnywhere(blob)
  }

  async finish(): Promise<void> {
    await this.#packs.finish()
  }

  async idle(): Promise<void> {
    await this.#failure.idle()
  }
}

function damagedBlobs({ cipher, zstd }: Reader, { bytes, blobs }: DamagedPack): readonly PackedBlob[] {
  if (bytes === undefined) return blobs
  return blobs.filter(blob => {
    try {
      checkBlob(bytes.subarray(blob.offset, blob.offset + blob.length), blob, cipher, zstd)
      return false
    } catch (error) {
      if (isAppError(error, 'damaged')) return true
      throw error
    }
  })
}
