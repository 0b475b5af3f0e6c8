import { HttpClient } from '../../src/clients/http/index.ts'
import { azure } from '../../src/storage/azure/index.ts'
import { azureStorageOver } from '../../src/storage/azure/open.ts'
import { gcs } from '../../src/storage/gcs/index.ts'
import { gcsStorageOver } from '../../src/storage/gcs/open.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { adapterContext } from './adapter-context.ts'
import { openTestS3 } from './s3-storage.ts'
import { startVersionedAzure } from './versioned-azure-server.ts'
import type { BucketServer } from './versioned-bucket.ts'
import { startVersionedGcs } from './versioned-gcs-server.ts'
import { startVersionedS3 } from './versioned-s3-server.ts'

export interface VersionedKind {
  readonly kind: string
  start(now: () => Date): Promise<BucketServer>
  open(origin: string): Promise<Storage>
}

/** Every kind of storage that keeps versions, on a bucket of our own that keeps right times. */
export const VERSIONED_KINDS: readonly VersionedKind[] = [
  { kind: 's3', start: startVersionedS3, open: origin => openTestS3(`s3:${origin}/kept/shop`) },
  {
    kind: 'azure',
    start: startVersionedAzure,
    open: origin =>
      azureStorageOver(
        new HttpClient({ maxSockets: 10 }),
        'azure:kept:/shop',
        azure.options.parse({ accountName: 'account', endpoint: `${origin}/account` }),
        adapterContext({ AZURE_ACCOUNT_KEY: Buffer.from('planted').toString('base64') }),
      ),
  },
  { kind: 'gcs', start: startVersionedGcs, open: openVersionedGcs },
]

export function openVersionedGcs(origin: string): Promise<Storage> {
  const context = adapterContext({ STORAGE_EMULATOR_HOST: origin })
  return gcsStorageOver(new HttpClient({ maxSockets: 10 }), 'gs:kept:/shop', gcs.options.parse({}), context)
}
