import type { AppError } from '../../base/errors.ts'
import { HttpFailure } from '../../clients/http/index.ts'
import { S3Failure } from '../../clients/s3/index.ts'
import { refusedBy, unreachable } from '../http-failure.ts'
import type { FailedCall, StorageErrorCode } from '../storage-error.ts'

type Meaning = readonly [code: StorageErrorCode, hint?: string]

const KEYS =
  'Check the access key and its secret: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the profile, or "storage" beside the url.'
const REGION = 'Set the region of the bucket: storage: { region: NAME }.'
const BUCKET = 'Make the bucket first, or correct its name in the URL of the repository.'
const MAY_NOT_DELETE =
  'The key may not delete, which is enough for backups. "forget", "prune" and "key remove" need one that may (s3:DeleteObject).'
const MAY_NOT_LOCK = 'Let the key read and set locks: s3:GetObjectRetention, s3:PutObjectRetention.'
const CLOCK = 'Set the clock of this machine.'

/** @see https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and what other services add */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  NoSuchKey: ['storage-not-found'],
  NoSuchBucket: ['storage-denied', BUCKET],
  InvalidBucketName: ['storage-denied', BUCKET],
  PreconditionFailed: ['storage-exists'],
  // A rule of R2, by prefix.
  ObjectLockedByBucketPolicy: ['storage-locked'],
  InvalidRange: ['storage-too-short'],
  AccessDenied: [
    'storage-denied',
    'Check that the key may list the bucket, and read, write and delete below the folder of the repository.',
  ],
  InvalidAccessKeyId: ['storage-denied', KEYS],
  XAdminUserNotFound: ['storage-denied', KEYS],
  SignatureDoesNotMatch: ['storage-denied', KEYS],
  InvalidToken: ['storage-denied', KEYS],
  ExpiredToken: ['storage-denied', 'Get new temporary credentials.'],
  RequestTimeTooSkewed: ['storage-denied', CLOCK],
  RequestExpired: ['storage-denied', CLOCK],
  AuthorizationHeaderMalformed: ['storage-denied', REGION],
  InvalidRegionName: ['storage-denied', REGION],
  IllegalLocationConstraintException: ['storage-denied', REGION],
  PermanentRedirect: ['storage-denied', REGION],
  TemporaryRedirect: ['storage-denied', REGION],
  InvalidObjectState: ['storage-archived'],
  GlacierExpeditedRetrievalNotAvailable: [
    'storage-denied',
    'The service is too busy for fast retrievals: set storage: { thaw: { tier: Standard } }.',
  ],
  QuotaExceeded: ['storage-full'],
  StorageQuotaExceeded: ['storage-full'],
  XMinioStorageFull: ['storage-full'],
  XMinioAdminBucketQuotaExceeded: ['storage-full'],
  InsufficientStorage: ['storage-full'],
  SlowDown: ['storage-busy'],
  SlowDownRead: ['storage-busy'],
  SlowDownWrite: ['storage-busy'],
  ServiceUnavailable: ['storage-busy'],
  TooManyRequests: ['storage-busy'],
  RequestLimitExceeded: ['storage-busy'],
  Throttling: ['storage-busy'],
  ThrottlingException: ['storage-busy'],
  // Several writers at once; AWS asks for another attempt.
  ConditionalRequestConflict: ['storage-failed'],
  OperationAborted: ['storage-failed'],
  // What arrived is not what was sent.
  BadDigest: ['storage-failed'],
  InvalidDigest: ['storage-failed'],
  IncompleteBody: ['storage-failed'],
  RequestTimeout: ['storage-failed'],
  XAmzContentSHA256Mismatch: ['storage-failed'],
  XAmzContentChecksumMismatch: ['storage-failed'],
  InternalError: ['storage-failed'],
}

const BY_STATUS: Readonly<Record<number, Meaning>> = {
  301: ['storage-denied', REGION],
  307: ['storage-denied', REGION],
  404: ['storage-not-found'],
  408: ['storage-failed'],
  409: ['storage-failed'],
  412: ['storage-exists'],
  416: ['storage-too-short'],
  429: ['storage-busy'],
  501: ['storage-denied', 'This service does not do what the options of the storage ask for.'],
  503: ['storage-busy'],
  507: ['storage-full'],
}

/** Backblaze says it in words alone. */
const CAP = /\b(cap|quota|storage limit)\b.*\b(exceeded|reached)\b/i

const NO_LOCKS = /missing object ?lock/i

/** AWS and MinIO have no code of their own for it. */
const LOCKED = /\b(object lock|worm|retention)\b/i

/** Whatever a call threw, in the words of all storages. Errors of ours, as of credentials or an interrupt, stay as they are. */
export function s3Error(call: FailedCall, error: unknown): unknown {
  if (error instanceof HttpFailure) return unreachable(call, error)
  return error instanceof S3Failure ? refused(call, error) : error
}

function refused(call: FailedCall, failure: S3Failure): AppError {
  const [code, hint] = meaningOf(call, failure)
  const region = failure.region === undefined ? '' : ` The server says that it is ${failure.region}.`
  return refusedBy(call, failure, code, hint === REGION ? `${REGION}${region}` : hint)
}

function meaningOf({ verb }: FailedCall, { status, code, message }: S3Failure): Meaning {
  if (NO_LOCKS.test(message)) {
    return ['storage-denied', 'Make a bucket with object lock and use that one, or take "lock" out of "storage".']
  }
  // Of what was removed only a marker is there, which has no lock.
  if (verb === 'lock' && status === 405) return ['storage-not-found']
  if ((verb === 'remove' || verb === 'write') && status < 500 && LOCKED.test(message)) return ['storage-locked']
  if (verb === 'remove' && code === 'AccessDenied') return ['storage-denied', MAY_NOT_DELETE]
  if (verb === 'lock' && code === 'AccessDenied') return ['storage-denied', MAY_NOT_LOCK]
  if (status === 403 && CAP.test(message)) return ['storage-full']
  const meaning = Object.hasOwn(MEANINGS, code) ? MEANINGS[code] : undefined
  if (meaning) return meaning
  return BY_STATUS[status] ?? [status >= 500 || status < 300 ? 'storage-failed' : 'storage-denied']
}

/** Does the service know no conditional writes? Those that do not say so pass the condition over. */
export function isNotImplemented(error: unknown): boolean {
  return error instanceof S3Failure && (error.status === 501 || error.code === 'NotImplemented')
}
