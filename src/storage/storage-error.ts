import type { ErrorCode } from '../base/error-codes.ts'
import { AppError } from '../base/errors.ts'

export type StorageErrorCode = Extract<ErrorCode, `storage-${string}`>

/** A call that failed, as errors name it. */
export interface FailedCall {
  readonly verb: 'read' | 'write' | 'look for' | 'remove' | 'lock' | 'list' | 'thaw'
  /** The key, or the prefix of a listing. */
  readonly key: string
  readonly location: string
}

export interface StorageErrorInit {
  /** What the server or the system said, in a few words and without secrets. Default: what the code means. */
  readonly reason?: string | undefined
  /** Default: what helps with this code anywhere. */
  readonly hint?: string | undefined
  /** Only of `storage-busy`: how long the server asks to be left alone. */
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

const REASONS: Readonly<Record<StorageErrorCode, string>> = {
  'storage-not-found': 'it is not there',
  'storage-exists': 'it is there already',
  'storage-too-short': 'it ends before the range asked for',
  'storage-full': 'no space is left',
  'storage-denied': 'access is denied',
  'storage-locked': 'it is locked',
  'storage-archived': 'it is archived, and cannot be read before it is thawed',
  'storage-busy': 'the server is busy',
  'storage-failed': 'the storage failed',
}

const HINTS: Partial<Record<StorageErrorCode, string>> = {
  'storage-full': 'Free some space there, then run the same command again; nothing that was stored is lost.',
  'storage-denied': 'Check that the credentials, or the user that runs lifeboat, may read and write there.',
  'storage-locked': 'Nobody can change or remove it before its lock ends. Run the same command again then.',
  'storage-archived':
    'Name its class beside the url of the repository, as in storage: { storageClass: GLACIER }. "lifeboat restore" then asks for the packs that it needs, and says when they are ready.',
  'storage-busy': 'Run the same command again later.',
  'storage-failed': 'Check that the storage can be reached, then run the same command again.',
}

const PREPOSITIONS = {
  read: 'from',
  write: 'to',
  'look for': 'in',
  remove: 'from',
  lock: 'in',
  list: 'in',
  thaw: 'in',
} as const

/** The one wording for all adapters: `cannot read config from /backups: it is not there`. */
export function storageError(code: StorageErrorCode, call: FailedCall, init: StorageErrorInit = {}): AppError {
  const { verb, key, location } = call
  const what = verb === 'list' && key === '' ? `list ${location}` : `${verb} ${key} ${PREPOSITIONS[verb]} ${location}`
  const { reason = REASONS[code], hint = HINTS[code], retryAfterMs, cause } = init
  return new AppError(code, `cannot ${what}: ${reason}`, {
    ...(hint === undefined ? {} : { hint }),
    ...(retryAfterMs === undefined ? {} : { context: { retryAfterMs } }),
    cause,
  })
}

/** May the same call succeed when it is tried again, without anybody doing anything? Not so one that was interrupted. */
export function isTransient(error: unknown): error is AppError {
  return error instanceof AppError && error.code.startsWith('storage-') && error.isTransient
}

/** How long the storage asked to be left alone; 0 where it did not. */
export function retryAfterMs(error: AppError): number {
  const asked = error.context['retryAfterMs']
  return typeof asked === 'number' && asked > 0 ? asked : 0
}

/** The same refusal with the time when the lock ends, which people are told. */
export function lockedUntil(error: AppError, until: Date): AppError {
  return new AppError('storage-locked', `${error.message} (locked until ${until.toISOString()})`, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    context: { ...error.context, until: until.toISOString() },
    cause: error.cause,
  })
}

/** When the lock ends that a removal met, where the storage tells. */
export function untilOf(error: AppError): Date | undefined {
  const until = error.context['until']
  return typeof until === 'string' ? new Date(until) : undefined
}
