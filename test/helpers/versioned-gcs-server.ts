import { createHash } from 'node:crypto'
import {
  type BucketRequest,
  type BucketServer,
  type KeptVersion,
  sendObject,
  serveBucket,
  VersionedBucket,
} from './versioned-bucket.ts'

/**
 * What Google answers of the bucket `kept` for what our client asks: with versioning, or with soft delete alone, where
 * what is gone can be listed and not be read.
 */
export function startVersionedGcs(
  now: () => Date,
  keeps: 'versions' | 'soft-deleted' = 'versions',
): Promise<BucketServer> {
  return serveBucket(new VersionedBucket(now), (bucket, request) => handle(bucket, request, keeps))
}

const OBJECTS = '/storage/v1/b/kept/o'

function handle(bucket: VersionedBucket, request: BucketRequest, keeps: 'versions' | 'soft-deleted'): void {
  const { method, url, body, respond } = request
  if (url.pathname.startsWith('/upload/')) return upload(bucket, request)
  if (url.pathname === OBJECTS) return list(bucket, request, keeps)
  const key = decodeURIComponent(url.pathname.slice(OBJECTS.length + 1))
  const newest = bucket.newest(key)
  if (method === 'DELETE') {
    if (!newest?.body) return fail(request, 404, 'notFound')
    bucket.remove(key)
    return respond(204)
  }
  const generation = url.searchParams.get('generation')
  const isGone = keeps === 'soft-deleted' && generation !== null && generation !== generationOf(newest)
  const found = isGone ? undefined : bucket.get(key, generation === null ? undefined : `v${generation.slice(1)}`)
  if (found === undefined) return fail(request, 404, 'notFound')
  if (url.searchParams.get('alt') === 'media') return sendObject(request, found)
  respond(200, JSON.stringify({ name: key, size: String(found.length), updated: newest?.at.toISOString() }))
  void body
}

function fail({ respond }: BucketRequest, status: number, reason: string): void {
  respond(status, JSON.stringify({ error: { code: status, message: reason, errors: [{ reason }] } }))
}

/** A number: `1` and that of the version. */
const generationOf = (version: KeptVersion | undefined): string => `1${version?.id.slice(1)}`

function upload(bucket: VersionedBucket, request: BucketRequest): void {
  const { headers, body, url, respond } = request
  const boundary = /boundary=(\S+)/.exec(headers['content-type'] ?? '')?.[1] ?? ''
  const first = body.indexOf('\r\n\r\n') + 4
  const { name } = JSON.parse(body.toString('utf8', first, body.indexOf(`\r\n--${boundary}`, first))) as {
    name: string
  }
  const start = body.indexOf('\r\n\r\n', first) + 4
  const content = body.subarray(start, body.lastIndexOf(`\r\n--${boundary}--`))
  if (url.searchParams.get('ifGenerationMatch') === '0' && bucket.get(name))
    return fail(request, 412, 'conditionNotMet')
  const version = bucket.put(name, Buffer.from(content))
  const md5Hash = createHash('md5').update(content).digest('base64')
  respond(200, JSON.stringify({ name, size: String(content.length), md5Hash, generation: generationOf(version) }))
}

function list(bucket: VersionedBucket, { url, respond }: BucketRequest, keeps: 'versions' | 'soft-deleted'): void {
  const asked = url.searchParams
  const isSoft = asked.get('softDeleted') === 'true'
  const isGone = isSoft ? keeps === 'soft-deleted' : keeps === 'versions' && asked.get('versions') === 'true'
  const found = bucket.keys(asked.get('prefix') ?? '').flatMap(([, versions]) =>
    versions.flatMap((version, at) => {
      const next = versions[at + 1]
      if (version.body === undefined || (next ? !isGone : isSoft)) return []
      const end = next && (isSoft ? { softDeleteTime: next.at } : { timeDeleted: next.at })
      const { key: name, at: timeCreated, body } = version
      return [
        {
          name,
          size: String(body.length),
          generation: generationOf(version),
          timeCreated,
          updated: timeCreated,
          ...end,
        },
      ]
    }),
  )
  const { items, next } = bucket.page(found, asked.get('pageToken'))
  respond(200, JSON.stringify({ items, nextPageToken: next }))
}
