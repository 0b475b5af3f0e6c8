import { AppError } from '../../base/errors.ts'
import { loadRange, type NoRange } from './load-range.ts'
import type { Packed } from './ranges.ts'
import type { OtherReader, Others, Reader } from './reader.ts'

/** Opens it, with an index that is up to date. */
export type OpenOther = () => Promise<OtherReader>

/**
 * Repositories to ask for what one cannot give back, in this order. They are opened when the first thing is lost.
 * One that failed after its storage had tried for long is asked no more: the next blob would wait as long again.
 */
export class OtherReaders implements Others {
  readonly #others: readonly OpenOther[]
  readonly #opened = new Map<OpenOther, Promise<OtherReader | undefined>>()
  readonly #away = new Set<Reader>()

  constructor(others: readonly OpenOther[]) {
    this.#others = others
  }

  async *usable(): AsyncGenerator<OtherReader> {
    for (const open of this.#others) {
      const other = await this.#open(open)
      if (other) yield other
    }
  }

  /** The bytes, or why they cannot be had: from here no failure of a storage is thrown. */
  async loadRange(
    reader: Reader,
    range: Packed,
    signal: AbortSignal | undefined,
    into?: Buffer,
  ): Promise<Buffer | NoRange> {
    if (this.#away.has(reader)) return { reason: 'it could not be reached before', isCut: false }
    try {
      return await loadRange(reader.storage, range, signal, into)
    } catch (error) {
      if (!isStorageError(error)) throw error
      if (reader.storage.traits.retryMs > 0) this.#away.add(reader)
      return { reason: error.message, isCut: false }
    }
  }

  /** Undefined for one that cannot be opened. */
  #open(open: OpenOther): Promise<OtherReader | undefined> {
    const known = this.#opened.get(open)
    const opened =
      known ??
      open().catch((error: unknown) => {
        if (!(error instanceof AppError) || error.code === 'interrupted') throw error
        return undefined
      })
    this.#opened.set(open, opened)
    return opened
  }
}

export function isStorageError(error: unknown): error is AppError {
  return error instanceof AppError && error.code.startsWith('storage-')
}

/** As `loadRange`; where others can be asked, a storage that fails is one that does not have it. */
export async function loadRangeOf(
  reader: Reader,
  range: Packed,
  signal: AbortSignal | undefined,
  into?: Buffer,
): Promise<Buffer | NoRange> {
  const { others, storage } = reader
  return others ? await others.loadRange(reader, range, signal, into) : await loadRange(storage, range, signal, into)
}
