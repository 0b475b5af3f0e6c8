import { isAppError } from '../../base/errors.ts'
import type { Storage } from '../../storage/storage.ts'
import { fileKey } from '../format/file-keys.ts'
import type { Packed } from './ranges.ts'

export interface NoRange {
  readonly reason: string
  /** The pack is there, and will never have it. */
  readonly isCut: boolean
}

const MISSING: NoRange = { reason: 'the pack is missing', isCut: false }

/** The bytes, or why the pack cannot have them. Throws when the storage failed: that says nothing about the pack. */
export async function loadRange(
  storage: Storage,
  range: Packed,
  signal: AbortSignal | undefined,
  into?: Buffer,
): Promise<Buffer | NoRange> {
  const key = fileKey('pack', range.packId)
  const { offset, length } = range
  try {
    return await storage.load(key, { range: { offset, length }, signal, into })
  } catch (error) {
    if (isAppError(error, 'storage-not-found')) return MISSING
    if (isAppError(error, 'storage-too-short')) return { reason: 'the pack is cut short', isCut: true }
    throw error
  }
}
