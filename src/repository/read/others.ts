import { AppError } from '../../base/errors.ts'
import { loadRange, type NoRange } from './load-range.ts'
import type { Packed } from './ranges.ts'
import type { Reader } from './reader.ts'

/** Another repository that may have what one cannot give back: an id is the hash of the plaintext, whatever the keys are. */
export interface OtherReader {
  readonly reader: Reader
  /** Brings its index up to date. */
  readonly refresh: () => Promise<void>
  readonly onTaken: (blobs: number, plainBytes: number) => void
}

/**
 * Repositories to ask for what one cannot give back, in this order. Their indexes are loaded when the first thing is lost.
 * One that failed after its storage had tried for long is asked no more: the next blob would wait as long again.
 */
export class OtherReaders {
  readonly #others: readonly OtherReader[]
  readonly #ready = new Map<OtherReader, Promise<boolean>>()
  readonly #away = new Set<Reader>()

  constructor(others: readonly OtherReader[]) {
    this.#others = others
  }

  async *usable(): AsyncGenerator<OtherReader> {
    for (const other of this.#others) if (await this.#isReady(other)) yield other
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

  #isReady(other: OtherReader): Promise<boolean> {
    const known = this.#ready.get(other)
    const ready =
      known ??
      other.refresh().then(
        () => true,
        (error: unknown) => {
          if (!(error instanceof AppError) || error.code === 'interrupted') throw error
          return false
        },
      )
    this.#ready.set(other, ready)
    return ready
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
