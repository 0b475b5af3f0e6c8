import type { AppError } from '../base/errors.ts'
import type { HttpFailure, HttpFailureKind } from '../clients/http/index.ts'
import { type FailedCall, type StorageErrorCode, storageError } from './storage-error.ts'

const CODES: Readonly<Record<HttpFailureKind, StorageErrorCode>> = {
  'no-host': 'storage-denied',
  untrusted: 'storage-denied',
  unreachable: 'storage-failed',
  stalled: 'storage-failed',
  cut: 'storage-failed',
  malformed: 'storage-failed',
}

const HINTS: Partial<Record<HttpFailureKind, string>> = {
  'no-host': 'Correct the host in the URL of the repository, or see whether this machine can look up names.',
  untrusted:
    'If its certificate is of an authority of your own, name that with storage: { caFile: PATH }. Where the server speaks no TLS, write http:// in the URL.',
}

/** The one wording for all servers that could not be reached, or broke off. */
export function unreachable(call: FailedCall, failure: HttpFailure): AppError {
  return storageError(CODES[failure.kind], call, {
    reason: failure.message,
    hint: HINTS[failure.kind],
    cause: failure,
  })
}

/** A server's own no. */
interface Refusal extends Error {
  readonly retryAfterMs: number | undefined
}

/** Of these the words of all storages say all there is. */
const PLAIN: ReadonlySet<StorageErrorCode> = new Set([
  'storage-not-found',
  'storage-exists',
  'storage-too-short',
  'storage-archived',
])

/** The one wording for what a server refused, once its adapter knows what that means. */
export function refusedBy(call: FailedCall, refusal: Refusal, code: StorageErrorCode, hint?: string): AppError {
  return storageError(code, call, {
    reason: PLAIN.has(code) ? undefined : refusal.message,
    hint,
    ...(code === 'storage-busy' ? { retryAfterMs: refusal.retryAfterMs } : {}),
    cause: refusal,
  })
}
