import type { AdapterContext } from '../../src/base/adapter-context.ts'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { systemRandom } from '../../src/base/random.ts'
import { Secret } from '../../src/base/secret.ts'
import { HttpClient } from '../../src/clients/http/index.ts'
import { s3 } from '../../src/storage/s3/index.ts'
import { s3StorageOver } from '../../src/storage/s3/open.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { S3_KEYS } from './s3-server.ts'

/** The bare adapter on a test server, without what tries again. */
export async function openTestS3(
  url: string,
  given: {
    readonly options?: object
    readonly context?: Partial<AdapterContext>
    /** How long a connection may stand still. */
    readonly stallMs?: number
  } = {},
): Promise<Storage> {
  const http = new HttpClient({ maxSockets: 10, stallMs: given.stallMs })
  return await s3StorageOver(http, url, s3.options.parse(given.options ?? {}), {
    baseDir: '/',
    environment: { AWS_ACCESS_KEY_ID: S3_KEYS.accessKeyId, AWS_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey },
    loadSecret: async () => new Secret(S3_KEYS.secretAccessKey),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    ...given.context,
  })
}
