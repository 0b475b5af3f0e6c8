import type { ErrorCode } from '../../base/error-codes.ts'
import { AppError, messageOf, systemCode } from '../../base/errors.ts'
import { FILE_SIZE_HINT, FILE_TOO_LARGE } from '../../base/sizes.ts'

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'storage-not-found',
  EEXIST: 'storage-exists',
  ENOSPC: 'storage-full',
  EDQUOT: 'storage-full',
  EACCES: 'storage-denied',
  EPERM: 'storage-denied',
  EROFS: 'storage-denied',
}

const HINTS: Partial<Record<ErrorCode, string>> = {
  'storage-full': 'Free some space on that disk, then run the same command again; nothing that was stored is lost.',
  'storage-denied': 'Give the user that runs lifeboat the right to read and write that folder.',
}

/** Wraps what the file system said, once. `doing` reads like `cannot read config from /backups`. */
export function storageError(doing: string, error: unknown): AppError {
  if (error instanceof AppError) return error
  const code = CODES[systemCode(error) ?? ''] ?? 'storage-failed'
  const hint = systemCode(error) === 'EFBIG' ? FILE_SIZE_HINT : HINTS[code]
  return new AppError(code, `${doing}: ${reasonOf(error)}`, { cause: error, ...(hint === undefined ? {} : { hint }) })
}

// Node appends the call and the whole path: `ENOSPC: no space left on device, write`.
function reasonOf(error: unknown): string {
  if (systemCode(error) === 'EFBIG') return FILE_TOO_LARGE
  const message = messageOf(error)
  const known = /^E[A-Z0-9]+: ([^,]+)/.exec(message)
  return known?.[1] ?? message
}
