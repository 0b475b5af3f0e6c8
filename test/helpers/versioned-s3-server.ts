import {
  type BucketRequest,
  type BucketServer,
  type KeptVersion,
  sendObject,
  serveBucket,
  VersionedBucket,
} from './versioned-bucket.ts'

/** What AWS answers of a bucket with versioning, for what our client asks. The bucket is `kept`; times are whole seconds. */
export function startVersionedS3(now: () => Date): Promise<BucketServer> {
  return serveBucket(new VersionedBucket(now), handle)
}

const PATH = '/kept'

function handle(bucket: VersionedBucket, request: BucketRequest): void {
  const { method, url, headers, body, respond } = request
  const key = decodeURIComponent(url.pathname.slice(PATH.length + 1))
  if (!`${url.pathname}/`.startsWith(`${PATH}/`)) return fail(request, 404, 'NoSuchBucket')
  if (key === '') return list(bucket, request)
  if (method === 'PUT') {
    if (headers['if-none-match'] === '*' && bucket.get(key)) return fail(request, 412, 'PreconditionFailed')
    return respond(200, '', { etag: '"e"', 'x-amz-version-id': bucket.put(key, body).id })
  }
  if (method === 'DELETE') return respond(204, '', { 'x-amz-version-id': bucket.remove(key).id })
  const found = bucket.get(key, url.searchParams.get('versionId') ?? undefined)
  if (found === undefined) return fail(request, 404, 'NoSuchKey')
  if (method === 'HEAD') {
    const at = bucket.newest(key)?.at ?? new Date(0)
    return respond(200, '', { 'content-length': String(found.length), 'last-modified': at.toUTCString() })
  }
  sendObject(request, found)
}

function fail({ respond }: BucketRequest, status: number, code: string): void {
  respond(status, `<Error><Code>${code}</Code><Message>no</Message></Error>`)
}

const second = (at: Date): string => `${at.toISOString().slice(0, 19)}.000Z`
const encoded = (key: string): string => encodeURIComponent(key).replaceAll('%2F', '/')

function list(bucket: VersionedBucket, { url, respond }: BucketRequest): void {
  const keys = bucket.keys(url.searchParams.get('prefix') ?? '')
  if (url.searchParams.has('versions')) return listVersions(bucket, url, keys, respond)
  const live = keys.flatMap(([, versions]) => versions.filter((each, at) => at === versions.length - 1 && each.body))
  const { items, next } = bucket.page(live, url.searchParams.get('continuation-token'))
  respond(
    200,
    `<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>${next !== undefined}</IsTruncated>${next === undefined ? '' : `<NextContinuationToken>${next}</NextContinuationToken>`}${items
      .map(
        ({ key, at, body }) =>
          `<Contents><Key>${encoded(key)}</Key><Size>${body?.length}</Size><LastModified>${second(at)}</LastModified></Contents>`,
      )
      .join('')}</ListBucketResult>`,
  )
}

function listVersions(
  bucket: VersionedBucket,
  url: URL,
  keys: ReturnType<VersionedBucket['keys']>,
  respond: BucketRequest['respond'],
): void {
  const all = keys.flatMap(([, versions]) =>
    versions.toReversed().map((version, at): [KeptVersion, boolean] => [version, at === 0]),
  )
  // The marker of a page is the last of the one before: here its place in the list, as the id.
  const { items, next } = bucket.page(all, url.searchParams.get('version-id-marker'))
  const marker = items.at(-1)?.[0].key ?? ''
  respond(
    200,
    `<ListVersionsResult><EncodingType>url</EncodingType><IsTruncated>${next !== undefined}</IsTruncated>${
      next === undefined
        ? ''
        : `<NextKeyMarker>${encoded(marker)}</NextKeyMarker><NextVersionIdMarker>${next}</NextVersionIdMarker>`
    }${items.map(([version, isLatest]) => versionXml(version, isLatest)).join('')}</ListVersionsResult>`,
  )
}

function versionXml({ key, id, at, body }: KeptVersion, isLatest: boolean): string {
  const name = body === undefined ? 'DeleteMarker' : 'Version'
  const size = body === undefined ? '' : `<Size>${body.length}</Size>`
  return `<${name}><Key>${encoded(key)}</Key><VersionId>${id}</VersionId><IsLatest>${isLatest}</IsLatest><LastModified>${second(at)}</LastModified>${size}</${name}>`
}
