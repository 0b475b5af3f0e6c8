import { AppError, messageOf, systemCode } from '../../base/errors.ts'
import { FILE_SIZE_HINT, FILE_TOO_LARGE } from '../../base/sizes.ts'
import { type FailedCall, type StorageErrorCode, storageError } from '../storage-error.ts'

const CODES: Readonly<Record<string, StorageErrorCode>> = {
  ENOENT: 'storage-not-found',
  EEXIST: 'storage-exists',
  ENOSPC: 'storage-full',
  EDQUOT: 'storage-full',
  EACCES: 'storage-denied',
  EPERM: 'storage-denied',
  EROFS: 'storage-denied',
}

const HINTS: Partial<Record<StorageErrorCode, string>> = {
  'storage-full': 'Free some space on that disk, then run the same command again; nothing that was stored is lost.',
  'storage-denied':
    'Run it as the user the folder belongs to, or let this user read and write it. Where files in it belong to another user, "lifeboat doctor" prints the command that mends it.',
  'storage-failed': 'Check the disk of that folder, then run the same command again.',
}

const SYSTEM_HINTS: Readonly<Record<string, string>> = {
  EFBIG: FILE_SIZE_HINT,
  EROFS: 'That file system is mounted read-only. Mount it so that it can be written to: mount -o remount,rw.',
}

/** A file ended before the bytes that were asked of it. */
export class TooShort extends Error {}

/** Wraps what the file system said, once. */
export function systemError(call: FailedCall, error: unknown): AppError {
  if (error instanceof AppError) return error
  if (error instanceof TooShort) return storageError('storage-too-short', call, { cause: error })
  const system = systemCode(error) ?? ''
  const code = CODES[system] ?? 'storage-failed'
  const hint = SYSTEM_HINTS[system] ?? HINTS[code]
  // What is missing or there already reads the same everywhere; of the rest the system knows more than we do.
  const isPlain = code === 'storage-not-found' || code === 'storage-exists'
  return storageError(code, call, { reason: isPlain ? undefined : reasonOf(error), hint, cause: error })
}

// Node appends the call and the whole path: `ENOSPC: no space left on device, write`.
function reasonOf(error: unknown): string {
  if (systemCode(error) === 'EFBIG') return FILE_TOO_LARGE
  const message = messageOf(error)
  const known = /^E[A-Z0-9]+: ([^,]+)/.exec(message)
  return known?.[1] ?? message
}
