import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Secret } from '../../src/base/secret.ts'
import { HttpClient } from '../../src/clients/http/index.ts'
import { EMPTY_SHA256, signRequest } from '../../src/clients/s3/sign.ts'
import { cachedServer, type RunningServer, startServer } from './server-program.ts'

const { program, describe } = cachedServer('S3 server (versitygw)', 'versitygw-1.8.0/versitygw')

export const describeWithS3 = describe

export const S3_KEYS = { accessKeyId: 'AKIDTESTTESTTEST', secretAccessKey: 'planted-s3-secret-8f1d02' } as const

/** A real S3 server of the tests' own: versitygw over a temporary folder, on a free port. */
export interface S3Server extends RunningServer {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string
  /** What a program needs to use it. */
  readonly environment: Readonly<Record<string, string>>
  createBucket(name: string, options?: BucketOptions): Promise<void>
  /** Buckets are folders in it, objects files. */
  readonly folder: string
}

interface BucketOptions {
  /** Its objects can be locked; it keeps their versions. */
  readonly locks?: boolean
}

export async function startS3Server(): Promise<S3Server> {
  const dir = await mkdtemp(join(tmpdir(), 'lb-s3-'))
  const folder = join(dir, 'root')
  const versions = join(dir, 'versions')
  await Promise.all([mkdir(folder), mkdir(versions)])
  const posix = ['posix', '--versioning-dir', versions, folder]
  const server = await startServer(program, port => ['--port', `127.0.0.1:${port}`, '--quiet', ...posix], {
    ROOT_ACCESS_KEY: S3_KEYS.accessKeyId,
    ROOT_SECRET_KEY: S3_KEYS.secretAccessKey,
  })
  const origin = `http://127.0.0.1:${server.port}`
  return {
    ...server,
    origin,
    environment: {
      AWS_ACCESS_KEY_ID: S3_KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey,
      AWS_REGION: 'us-east-1',
    },
    createBucket: (name, options) => createBucket(origin, name, options),
    folder,
    close: async () => {
      await server.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function createBucket(origin: string, name: string, { locks = false }: BucketOptions = {}): Promise<void> {
  const http = new HttpClient({ maxSockets: 1 })
  const path = `/${name}`
  const headers = signRequest(
    {
      method: 'PUT',
      host: new URL(origin).host,
      path,
      headers: locks ? { 'x-amz-bucket-object-lock-enabled': 'true' } : {},
      bodySha256: EMPTY_SHA256,
    },
    {
      region: 'us-east-1',
      service: 's3',
      now: new Date(),
      credentials: {
        accessKeyId: S3_KEYS.accessKeyId,
        secretAccessKey: new Secret(S3_KEYS.secretAccessKey),
      },
    },
  )
  const { status, body } = await http.request({ method: 'PUT', origin, path, headers, body: [] })
  http.close()
  if (status !== 200) throw new Error(`the bucket ${name} was not made: ${status} ${body.toString()}`)
}
