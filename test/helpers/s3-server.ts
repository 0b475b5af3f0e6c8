import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Secret } from '../../src/base/secret.ts'
import { HttpClient } from '../../src/clients/http/index.ts'
import { encodeQuery, signRequest } from '../../src/clients/s3/sign.ts'
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
  /** A login that may do nothing until a policy of a bucket says so. */
  createUser(user: S3User): Promise<void>
  /** JSON, as `PutBucketPolicy` takes it. */
  setPolicy(bucket: string, policy: string): Promise<void>
  /** Buckets are folders in it, objects files. */
  readonly folder: string
}

interface BucketOptions {
  /** Its objects can be locked; it keeps their versions. */
  readonly locks?: boolean
}

export interface S3User {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export async function startS3Server(): Promise<S3Server> {
  const dir = await mkdtemp(join(tmpdir(), 'lb-s3-'))
  const folder = join(dir, 'root')
  const versions = join(dir, 'versions')
  const users = join(dir, 'users')
  await Promise.all([folder, versions, users].map(each => mkdir(each)))
  const posix = ['posix', '--versioning-dir', versions, folder]
  const argumentsOn = (port: number): string[] => {
    return ['--port', `127.0.0.1:${port}`, '--quiet', '--iam-dir', users, ...posix]
  }
  const server = await startServer(program, argumentsOn, {
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
    createBucket: async (name, { locks = false } = {}) =>
      await put(origin, `/${name}`, { headers: locks ? { 'x-amz-bucket-object-lock-enabled': 'true' } : {} }),
    createUser: async ({ accessKeyId, secretAccessKey }) => {
      const root = ['-a', S3_KEYS.accessKeyId, '-s', S3_KEYS.secretAccessKey, '--er', origin]
      const user = ['-a', accessKeyId, '-s', secretAccessKey, '-r', 'user']
      await promisify(execFile)(program, ['admin', ...root, 'create-user', ...user])
    },
    setPolicy: async (bucket, policy) =>
      await put(origin, `/${bucket}`, { query: [['policy', '']], content: Buffer.from(policy) }),
    folder,
    close: async () => {
      await server.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

interface Put {
  readonly query?: ReadonlyArray<readonly [string, string]>
  readonly headers?: Readonly<Record<string, string>>
  readonly content?: Buffer
}

async function put(
  origin: string,
  path: string,
  { query = [], headers: given = {}, content = Buffer.alloc(0) }: Put,
): Promise<void> {
  const http = new HttpClient({ maxSockets: 1 })
  const bodySha256 = createHash('sha256').update(content).digest('hex')
  const headers = signRequest(
    { method: 'PUT', host: new URL(origin).host, path, query, headers: given, bodySha256 },
    {
      region: 'us-east-1',
      service: 's3',
      now: new Date(),
      credentials: { ...S3_KEYS, secretAccessKey: new Secret(S3_KEYS.secretAccessKey) },
    },
  )
  const target = query.length === 0 ? path : `${path}?${encodeQuery(query)}`
  const { status, body } = await http.request({ method: 'PUT', origin, path: target, headers, body: [content] })
  http.close()
  if (status >= 300) throw new Error(`PUT ${target} was refused: ${status} ${body.toString()}`)
}
