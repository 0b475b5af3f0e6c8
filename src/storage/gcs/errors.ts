import { GcsFailure } from '../../clients/gcs/index.ts'
import { HttpFailure } from '../../clients/http/index.ts'
import { refusedBy, unreachable } from '../http-failure.ts'
import type { FailedCall, StorageErrorCode } from '../storage-error.ts'

type Meaning = readonly [code: StorageErrorCode, hint?: string]

const BUCKET = 'Make the bucket first ("gcloud storage buckets create gs://NAME"), or correct its name in the URL.'
const CREDENTIALS =
  'Check the credentials: GOOGLE_APPLICATION_CREDENTIALS, GOOGLE_ACCESS_TOKEN, or "storage" beside the url.'
const RIGHTS = 'The account needs the role Storage Object User (roles/storage.objectUser) on the bucket.'

const MAY_NOT_DELETE =
  'The account may not delete, which is enough for backups. "forget", "prune" and "key remove" need one that may (storage.objects.delete).'

/** @see https://cloud.google.com/storage/docs/json_api/v1/status-codes */
const BY_REASON: Readonly<Record<string, Meaning>> = {
  rateLimitExceeded: ['storage-busy'],
  userRateLimitExceeded: ['storage-busy'],
  backendError: ['storage-failed'],
  internalError: ['storage-failed'],
  quotaExceeded: ['storage-full', 'Raise the quota of the project, or free some space there.'],
  retentionPolicyNotMet: ['storage-locked'],
  objectUnderActiveHold: ['storage-locked', 'The object is held; release the hold first.'],
  accountDisabled: ['storage-denied', 'Check the billing of the project.'],
  billingNotEnabled: ['storage-denied', 'Check the billing of the project.'],
  userProjectMissing: ['storage-denied', 'Buckets whose reader pays are not supported.'],
}

const BY_STATUS: Readonly<Record<number, Meaning>> = {
  400: ['storage-denied'],
  401: ['storage-denied', CREDENTIALS],
  403: ['storage-denied', RIGHTS],
  404: ['storage-not-found'],
  408: ['storage-failed'],
  412: ['storage-exists'],
  413: ['storage-denied'],
  416: ['storage-too-short'],
  429: ['storage-busy'],
  503: ['storage-busy'],
}

export function gcsError(call: FailedCall, error: unknown): unknown {
  if (error instanceof HttpFailure) return unreachable(call, error)
  if (!(error instanceof GcsFailure)) return error
  const [code, hint] = meaningOf(call, error)
  return refusedBy(call, error, code, hint)
}

function meaningOf({ verb }: FailedCall, { status, reason, message }: GcsFailure): Meaning {
  const meaning = Object.hasOwn(BY_REASON, reason) ? BY_REASON[reason] : undefined
  if (meaning) return meaning
  if (verb === 'remove' && status === 403) return ['storage-denied', MAY_NOT_DELETE]
  const isOfBucket = status === 404 && (verb === 'write' || verb === 'list' || /bucket/i.test(message))
  if (isOfBucket) return ['storage-denied', BUCKET]
  // A hash that did not fit what arrived.
  if (status === 400 && /hash|checksum|md5|crc32c/i.test(`${reason} ${message}`)) return ['storage-failed']
  return BY_STATUS[status] ?? [status >= 500 ? 'storage-failed' : 'storage-denied']
}
