import type { AdapterContext } from '../../base/adapter-context.ts'
import { Expiring } from '../../base/expiring.ts'
import { type AccessToken, findToken, GcsClient, tokenOf } from '../../clients/gcs/index.ts'
import { HttpClient } from '../../clients/http/index.ts'
import { withConnections } from '../connections.ts'
import { OBJECT_TRAITS, ObjectStorage } from '../object-storage.ts'
import type { Storage } from '../storage.ts'
import { gcsError } from './errors.ts'
import type { GcsOptions } from './options.ts'
import { locationOf, parseGcsUrl } from './url.ts'

const ORIGIN = 'https://storage.googleapis.com'

export async function openGcsStorage(url: string, options: GcsOptions, context: AdapterContext): Promise<Storage> {
  // Listings are not counted among the calls at once.
  const http = new HttpClient({
    maxSockets: (options.connections ?? OBJECT_TRAITS.concurrency) + 2,
    environment: context.environment,
    bandwidth: context.bandwidth,
  })
  return await gcsStorageOver(http, url, options, context)
}

/** @param http is closed with the storage */
export async function gcsStorageOver(
  http: HttpClient,
  url: string,
  options: GcsOptions,
  context: AdapterContext,
): Promise<Storage> {
  const place = parseGcsUrl(url)
  const { environment, clock } = context
  const emulator = emulatorOf(environment['STORAGE_EMULATOR_HOST'])
  const client = new GcsClient({
    bucket: place.bucket,
    origin: emulator ?? ORIGIN,
    http,
    // An emulator must not see them.
    tokens: emulator === undefined ? new Expiring(() => issue(options, context), clock) : undefined,
    kmsKeyName: options.kmsKeyName,
    clock,
  })
  return new ObjectStorage({
    client,
    traits: { ...withConnections(OBJECT_TRAITS, options.connections), kind: 'gcs' },
    location: locationOf(place),
    prefix: place.prefix,
    wrap: gcsError,
    storageClass: options.storageClass,
    lock: options.lock,
    lockAdvice: [
      `Turn on versions and object retention for the bucket (gcloud storage buckets update gs://${place.bucket} --versioning --enable-per-object-retention).`,
      'Then write storage: { lock: { mode: compliance, period: 30d } } beside the url, and back up.',
    ],
    close: () => http.close(),
  })
}

async function issue({ credentials }: GcsOptions, context: AdapterContext): Promise<AccessToken> {
  if (credentials === undefined) return await findToken(context)
  return await tokenOf(await context.loadSecret('service account key', credentials), '"storage.credentials"', context)
}

/** As Google's own libraries read it: `host:port`, or a URL. */
function emulatorOf(host: string | undefined): string | undefined {
  if (!host) return undefined
  return new URL(/^https?:\/\//i.test(host) ? host : `http://${host}`).origin
}
