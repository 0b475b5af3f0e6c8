import type { AdapterContext } from '../../base/adapter-context.ts'
import { Expiring } from '../../base/expiring.ts'
import { HttpClient } from '../../clients/http/index.ts'
import { findCredentials, findProfile, type IssuedCredentials, S3Client } from '../../clients/s3/index.ts'
import { loadAuthorities } from '../authorities.ts'
import { withConnections } from '../connections.ts'
import { OBJECT_TRAITS, type ObjectArchive, ObjectStorage } from '../object-storage.ts'
import type { Storage } from '../storage.ts'
import { s3Error } from './errors.ts'
import { lockAdvice } from './lock-advice.ts'
import type { S3Options } from './options.ts'
import { S3Objects } from './s3-objects.ts'
import { locationOf, parseS3Url, regionOfHost, type S3Place, styleOf } from './url.ts'

/** Names of an older tool's variables, which applications that used it still have. */
const OTHER_VARIABLES = [['BACKUP_S3_ACCESS_KEY', 'BACKUP_S3_SECRET_KEY']] as const
const DEFAULT_REGION = 'us-east-1'

export async function openS3Storage(url: string, options: S3Options, context: AdapterContext): Promise<Storage> {
  const http = new HttpClient({
    // Listings are not counted among the calls at once.
    maxSockets: (options.connections ?? OBJECT_TRAITS.concurrency) + 2,
    ca: await loadAuthorities(options.caFile, context),
    environment: context.environment,
    bandwidth: context.bandwidth,
  })
  return await s3StorageOver(http, url, options, context)
}

/** @param http is closed with the storage */
export async function s3StorageOver(
  http: HttpClient,
  url: string,
  options: S3Options,
  context: AdapterContext,
): Promise<Storage> {
  const { clock, logger } = context
  const place = parseS3Url(url)
  const region = await regionOf(place, options, context)
  const client = new S3Client({
    http,
    origin: `${place.scheme}://${place.host}`,
    bucket: place.bucket,
    style: styleOf(place, options.pathStyle),
    region,
    mayLearnRegion: options.region === undefined,
    credentials: await credentialsOf(region, options, context),
    clock,
    logger,
  })
  return new ObjectStorage({
    client: new S3Objects(client, clock, options.conditionalWrites),
    traits: { ...withConnections(OBJECT_TRAITS, options.connections), kind: 's3' },
    location: locationOf(place),
    prefix: place.prefix,
    wrap: s3Error,
    storageClass: options.storageClass,
    headers: encryptionHeaders(options),
    archive: archiveOf(client, options),
    lock: options.lock,
    lockAdvice: lockAdvice(place),
    close: () => http.close(),
  })
}

const HOUR_MS = 3_600_000

/**
 * The longest that AWS names for its classes.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html
 */
const THAW_HOURS = {
  GLACIER: { Expedited: 0.1, Standard: 5, Bulk: 12 },
  DEEP_ARCHIVE: { Expedited: 12, Standard: 12, Bulk: 48 },
} as const

const USUAL_THAW = { days: 7, tier: 'Standard' } as const

/** Only where the packs go to such a class: to look which of them are archived takes requests. */
function archiveOf(client: S3Client, { storageClass, thaw = USUAL_THAW }: S3Options): ObjectArchive | undefined {
  if (storageClass !== 'GLACIER' && storageClass !== 'DEEP_ARCHIVE') return undefined
  return {
    thaw: (path, { signal }) => client.thaw(path, { ...thaw, signal }),
    // What a rule of the bucket moved on may lie in another one than was asked for.
    thawMs: ({ storageClass: found }) =>
      THAW_HOURS[found === 'GLACIER' || found === 'DEEP_ARCHIVE' ? found : storageClass][thaw.tier] * HOUR_MS,
  }
}

function encryptionHeaders({ encryption }: S3Options): Record<string, string> {
  if (encryption === undefined) return {}
  if (typeof encryption === 'string') return { 'x-amz-server-side-encryption': encryption }
  return {
    'x-amz-server-side-encryption': 'aws:kms',
    'x-amz-server-side-encryption-aws-kms-key-id': encryption.kmsKeyId,
  }
}

/** The keys of the configuration now; what the environment or the machine has when the first request needs it. */
async function credentialsOf(
  region: string,
  options: S3Options,
  context: AdapterContext,
): Promise<Expiring<IssuedCredentials>> {
  const { environment, random, clock } = context
  const { profile } = options
  const own = await ownKeys(options, context)
  const find = async (): Promise<IssuedCredentials> =>
    own ?? (await findCredentials({ environment, random, region, profile, otherVariables: OTHER_VARIABLES }))
  return new Expiring(find, clock)
}

async function regionOf({ host }: S3Place, options: S3Options, { environment }: AdapterContext): Promise<string> {
  if (options.region !== undefined) return options.region
  const ofHost = regionOfHost(host)
  if (ofHost?.isCertain) return ofHost.region
  const set = environment['AWS_REGION'] || environment['AWS_DEFAULT_REGION'] || environment['BACKUP_S3_REGION']
  if (set) return set
  if (ofHost) return ofHost.region
  const profile = await findProfile(options.profile, environment)
  return profile?.settings.get('region') ?? DEFAULT_REGION
}

async function ownKeys(options: S3Options, { loadSecret }: AdapterContext): Promise<IssuedCredentials | undefined> {
  const { accessKeyId, secretKey, sessionToken } = options
  if (accessKeyId === undefined || secretKey === undefined) return undefined
  return {
    accessKeyId,
    secretAccessKey: await loadSecret('secret access key', secretKey),
    sessionToken: sessionToken && (await loadSecret('session token', sessionToken)),
    expiresAt: undefined,
  }
}
