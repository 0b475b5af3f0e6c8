import type { AdapterContext } from '../../base/adapter-context.ts'
import { AppError } from '../../base/errors.ts'
import { Expiring } from '../../base/expiring.ts'
import { Secret } from '../../base/secret.ts'
import { type AzureAuthorization, AzureClient, findToken } from '../../clients/azure/index.ts'
import { HttpClient, isInClear } from '../../clients/http/index.ts'
import { withConnections } from '../connections.ts'
import { OBJECT_TRAITS, type ObjectArchive, ObjectStorage } from '../object-storage.ts'
import type { Storage } from '../storage.ts'
import { azureError } from './errors.ts'
import type { AzureOptions } from './options.ts'
import { locationOf, parseAzureUrl } from './url.ts'

export async function openAzureStorage(url: string, options: AzureOptions, context: AdapterContext): Promise<Storage> {
  // Listings are not counted among the calls at once.
  const http = new HttpClient({
    maxSockets: (options.connections ?? OBJECT_TRAITS.concurrency) + 2,
    environment: context.environment,
    bandwidth: context.bandwidth,
  })
  return await azureStorageOver(http, url, options, context)
}

/** @param http is closed with the storage */
export async function azureStorageOver(
  http: HttpClient,
  url: string,
  options: AzureOptions,
  context: AdapterContext,
): Promise<Storage> {
  const place = parseAzureUrl(url)
  const { environment, clock } = context
  const account = options.accountName ?? environment['AZURE_ACCOUNT_NAME']
  if (!account || !/^[a-z0-9]{3,24}$/.test(account)) throw noAccount(account)
  const suffix = environment['AZURE_ENDPOINT_SUFFIX'] || 'core.windows.net'
  const endpoint = new URL(options.endpoint ?? `https://${account}.blob.${suffix}`)
  const authorization = await authorizationOf(account, options, context)
  if (!('sharedKey' in authorization) && isInClear(endpoint)) throw inClear()
  const { accessTier, encryptionScope } = options
  const client = new AzureClient({ http, endpoint, container: place.container, authorization, clock })
  return new ObjectStorage({
    client,
    traits: { ...withConnections(OBJECT_TRAITS, options.connections), kind: 'azure' },
    location: locationOf(place),
    prefix: place.prefix,
    wrap: azureError,
    storageClass: accessTier,
    headers: encryptionScope === undefined ? {} : { 'x-ms-encryption-scope': encryptionScope },
    archive: archiveOf(client, options),
    lock: options.lock,
    lockAdvice: [
      `Make a container with immutable versions (az storage container-rm create --name NAME --storage-account ${account} --enable-vlw), or migrate ${place.container} to them.`,
      'Then write storage: { lock: { mode: compliance, period: 30d } } beside the url, and back up.',
    ],
    close: () => http.close(),
  })
}

const HOUR_MS = 3_600_000

const USUAL_THAW = { tier: 'Hot', priority: 'Standard' } as const

/** @see https://learn.microsoft.com/en-us/azure/storage/blobs/archive-rehydrate-overview#rehydration-priority */
function archiveOf(client: AzureClient, { accessTier, thaw = USUAL_THAW }: AzureOptions): ObjectArchive | undefined {
  if (accessTier !== 'Archive') return undefined
  return {
    thaw: (path, { signal }) => client.thaw(path, { ...thaw, signal }),
    thawMs: () => (thaw.priority === 'High' ? 1 : 15) * HOUR_MS,
  }
}

/** What the configuration says goes before the environment. */
async function authorizationOf(
  account: string,
  { accountKey, sas }: AzureOptions,
  { environment, loadSecret, clock }: AdapterContext,
): Promise<AzureAuthorization> {
  if (accountKey) return { sharedKey: { account, key: await loadSecret('account key', accountKey) } }
  if (sas) return { signature: signatureOf(await loadSecret('shared access signature', sas)) }
  const { AZURE_ACCOUNT_KEY: key, AZURE_ACCOUNT_SAS: signature } = environment
  if (key) return { sharedKey: { account, key: new Secret(key) } }
  if (signature) return { signature: signatureOf(new Secret(signature)) }
  return { tokens: new Expiring(() => findToken({ environment, clock }), clock) }
}

/** People copy it with its question mark. */
function signatureOf(text: Secret): Secret {
  const query = text.reveal().trim().replace(/^\?/, '')
  if (/^[\x21-\x7e]+$/.test(query) && /(^|&)sig=/.test(query)) return new Secret(query)
  throw new AppError('storage-denied', 'the shared access signature for Azure is none', {
    hint: 'It looks like sv=...&sp=racwdl&sig=...; copy all of it.',
  })
}

function noAccount(account: string | undefined): AppError {
  const what = account
    ? `"${account}" cannot be the name of a storage account`
    : 'no storage account for Azure is named'
  return new AppError('storage-denied', what, {
    hint: 'Set AZURE_ACCOUNT_NAME, or write storage: { accountName: NAME } beside the url.',
  })
}

function inClear(): AppError {
  return new AppError('storage-denied', 'the endpoint of Azure would get credentials over the network in clear', {
    hint: 'Begin "endpoint" with https://.',
  })
}
