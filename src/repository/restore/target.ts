import { closeSync, constants, fstatSync, ftruncateSync, openSync } from 'node:fs'
import { encodeName, printableName } from '../../base/bytes.ts'
import type { ErrorCode } from '../../base/error-codes.ts'
import { AppError, messageOf, systemCode } from '../../base/errors.ts'
import { FILE_SIZE_HINT, FILE_TOO_LARGE } from '../../base/sizes.ts'
import type { Id } from '../../model/node.ts'
import type { FileToWrite } from '../contract/restoring.ts'

/** Below this a hole saves nothing worth an extra call. */
const SPARSE_FROM_BYTES = 64 * 1024

/** A file being written. Worker threads write to its descriptor: descriptors belong to the process. */
export interface Target {
  readonly path: string
  readonly descriptor: number
  /** The blobs that it shall consist of. */
  readonly content: readonly Id[]
  /** The size that was announced; the file has it, or less. */
  readonly sizeBytes: number
  /** Bytes that were there before, as far as they are kept; 0 for a new file. */
  readonly existingBytes: number
  /** Compare with what is there before writing. */
  readonly compare: boolean
  /** All zeros already: zeros need not be written. */
  readonly sparse: boolean
  /** Pieces neither written nor given up yet; one more while there may come others. */
  pending: number
  /** Bytes of its pieces so far. */
  contentBytes: number
  /** Its content is not known to the end. */
  cut: boolean
}

/** Opens, creates (0600) or resizes the file. Never follows a link. */
export function openTarget(file: FileToWrite): Target {
  try {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK
    const descriptor = openSync(encodeName(file.path), flags, 0o600)
    try {
      const { path, sizeBytes, content } = file
      return {
        path,
        descriptor,
        content,
        sizeBytes,
        ...prepare(file, descriptor),
        pending: 0,
        contentBytes: 0,
        cut: false,
      }
    } catch (error) {
      closeSync(descriptor)
      throw error
    }
  } catch (error) {
    throw targetError(file.path, error)
  }
}

function prepare(file: FileToWrite, descriptor: number): Pick<Target, 'existingBytes' | 'compare' | 'sparse'> {
  const status = fstatSync(descriptor)
  if (!status.isFile()) throw new Error('it is not a regular file')
  const existingBytes = Math.min(status.size, file.sizeBytes)
  const sparse = status.size === 0 && file.sizeBytes >= SPARSE_FROM_BYTES
  if (status.size > file.sizeBytes || sparse) ftruncateSync(descriptor, file.sizeBytes)
  return { existingBytes, compare: file.delta && existingBytes > 0, sparse }
}

/** Closes it, with the size of what was written: a snapshot may tell another one than its content has. */
export function closeTarget(target: Target, complete: boolean): void {
  try {
    if (complete && target.contentBytes !== target.sizeBytes) ftruncateSync(target.descriptor, target.contentBytes)
  } catch (error) {
    throw targetError(target.path, error)
  } finally {
    closeSync(target.descriptor)
  }
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'target-full',
  EDQUOT: 'target-full',
}

export function targetError(path: string, error: unknown): AppError {
  if (error instanceof AppError) return error
  const system = systemCode(error)
  const reasons: Readonly<Record<string, string>> = { ELOOP: 'it is a symbolic link', EFBIG: FILE_TOO_LARGE }
  const reason = reasons[system ?? ''] ?? messageOf(error).replace(/, \w+( '.*)?$/s, '')
  const code = CODES[system ?? ''] ?? 'target-invalid'
  const full =
    code === 'target-full' ? 'Free some space, then run the same command again: it goes on where it was.' : undefined
  const hint = system === 'EFBIG' ? FILE_SIZE_HINT : full
  return new AppError(code, `cannot write ${printableName(path)}: ${reason}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  })
}
