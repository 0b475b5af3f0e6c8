import { AzureFailure } from '../../clients/azure/index.ts'
import { HttpFailure } from '../../clients/http/index.ts'
import { refusedBy, unreachable } from '../http-failure.ts'
import type { FailedCall, StorageErrorCode } from '../storage-error.ts'

type Meaning = readonly [code: StorageErrorCode, hint?: string]

const CONTAINER =
  'Make the container first ("az storage container create"), or correct its name in the URL of the repository.'
const KEYS =
  'Check the account’s name and its key or signature: AZURE_ACCOUNT_NAME, AZURE_ACCOUNT_KEY, AZURE_ACCOUNT_SAS, or "storage" beside the url.'
const RIGHTS =
  'It needs to read, write, delete and list: the role Storage Blob Data Contributor, or sp=racwdl in a signature.'

const MAY_NOT_DELETE =
  'The key may not delete, which is enough for backups. "forget", "prune" and "key remove" need one that may (d in sp=racwdl).'

/** @see https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-error-codes */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  BlobNotFound: ['storage-not-found'],
  ContainerNotFound: ['storage-denied', CONTAINER],
  ContainerBeingDeleted: ['storage-denied', CONTAINER],
  ContainerDisabled: ['storage-denied', CONTAINER],
  BlobAlreadyExists: ['storage-exists'],
  ConditionNotMet: ['storage-exists'],
  InvalidRange: ['storage-too-short'],
  AuthenticationFailed: ['storage-denied', `${KEYS} The clock of this machine must be right.`],
  AuthorizationFailure: ['storage-denied', KEYS],
  InvalidAuthenticationInfo: ['storage-denied', KEYS],
  NoAuthenticationInformation: ['storage-denied', KEYS],
  AuthorizationPermissionMismatch: ['storage-denied', RIGHTS],
  AuthorizationResourceTypeMismatch: ['storage-denied', RIGHTS],
  AuthorizationServiceMismatch: ['storage-denied', RIGHTS],
  InsufficientAccountPermissions: ['storage-denied', RIGHTS],
  AuthorizationSourceIPMismatch: ['storage-denied', 'The signature is for other addresses than this machine’s.'],
  AccountIsDisabled: ['storage-denied', 'Check the subscription of the account.'],
  BlobArchived: [
    'storage-archived',
    'Name its tier beside the url of the repository: storage: { accessTier: Archive }. "lifeboat restore" then asks for the packs that it needs, and says when they are ready.',
  ],
  BlobBeingRehydrated: ['storage-archived', 'It is on its way back from the archive. Try again in some hours.'],
  BlobImmutableDueToPolicy: ['storage-locked'],
  BlobImmutableDueToLegalHold: ['storage-locked', 'Somebody has put a legal hold on the blob; end that first.'],
  SnapshotsPresent: ['storage-denied', 'Blobs of a repository must have no snapshots of their own.'],
  AccountQuotaExceeded: ['storage-full'],
  Md5Mismatch: ['storage-failed'],
  ServerBusy: ['storage-busy'],
  OperationTimedOut: ['storage-failed'],
  InternalError: ['storage-failed'],
}

const BY_STATUS: Readonly<Record<number, Meaning>> = {
  401: ['storage-denied', KEYS],
  403: ['storage-denied', RIGHTS],
  404: ['storage-not-found'],
  408: ['storage-failed'],
  409: ['storage-failed'],
  412: ['storage-exists'],
  416: ['storage-too-short'],
  429: ['storage-busy'],
  503: ['storage-busy'],
  507: ['storage-full'],
}

export function azureError(call: FailedCall, error: unknown): unknown {
  if (error instanceof HttpFailure) return unreachable(call, error)
  if (!(error instanceof AzureFailure)) return error
  const { status, code: said } = error
  if (call.verb === 'remove' && status === 403 && said.startsWith('AuthorizationPermission')) {
    return refusedBy(call, error, 'storage-denied', MAY_NOT_DELETE)
  }
  const [code, hint] = (Object.hasOwn(MEANINGS, said) ? MEANINGS[said] : undefined) ??
    BY_STATUS[status] ?? [status >= 500 ? 'storage-failed' : 'storage-denied']
  return refusedBy(call, error, code, hint)
}
