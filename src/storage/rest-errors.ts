import type { AppError } from '../base/errors.ts'
import { type HttpAnswer, HttpFailure, retryAfterMs } from '../clients/http/index.ts'
import { refusedBy, unreachable } from './http-failure.ts'
import { EndsBefore } from './ranged-answer.ts'
import { type FailedCall, type StorageErrorCode, storageError } from './storage-error.ts'

/** An answer that is no success. */
export class RestRefusal extends Error {
  override readonly name = 'RestRefusal'
  readonly status: number
  readonly retryAfterMs: number | undefined

  constructor({ status, headers }: Pick<HttpAnswer, 'status' | 'headers'>, now: Date) {
    super(`the server answers with status ${status}`)
    this.status = status
    this.retryAfterMs = retryAfterMs(headers, now)
  }
}

type Meaning = readonly [code: StorageErrorCode, hint?: string]

const MEANINGS: Readonly<Record<number, Meaning>> = {
  401: [
    'storage-denied',
    'Check the login: RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD, or username and password under "storage".',
  ],
  403: ['storage-denied', 'This login may not do that there. Ask whoever runs the server.'],
  404: ['storage-not-found'],
  413: ['storage-full'],
  416: ['storage-too-short'],
  429: ['storage-busy'],
  503: ['storage-busy'],
  507: ['storage-full'],
}

const APPEND_ONLY =
  'This server only takes what is new: backups go on. To forget and prune, use a login or a server that may delete.'

/** Whatever a call threw, in the words of all storages. Errors of ours stay as they are. */
export function restError(call: FailedCall, error: unknown): unknown {
  if (error instanceof HttpFailure) return unreachable(call, error)
  if (error instanceof EndsBefore) return storageError('storage-too-short', call, { cause: error })
  return error instanceof RestRefusal ? refused(call, error) : error
}

function refused(call: FailedCall, refusal: RestRefusal): AppError {
  const { status } = refusal
  const [code, hint] = MEANINGS[status] ?? ([status >= 500 ? 'storage-failed' : 'storage-denied'] as const)
  return refusedBy(call, refusal, code, status === 403 && call.verb === 'remove' ? APPEND_ONLY : hint)
}
