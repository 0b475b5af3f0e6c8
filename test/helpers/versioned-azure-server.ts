import { type BucketRequest, type BucketServer, sendObject, serveBucket, VersionedBucket } from './versioned-bucket.ts'

/** What Azure answers of a container of the account `account` with versioning, for what our client asks: `kept`. */
export function startVersionedAzure(now: () => Date): Promise<BucketServer> {
  return serveBucket(new VersionedBucket(now), handle)
}

const PATH = '/account/kept'

function handle(bucket: VersionedBucket, request: BucketRequest): void {
  const { method, url, headers, body, respond } = request
  const key = decodeURIComponent(url.pathname.slice(PATH.length + 1))
  if (url.searchParams.get('comp') === 'list') return list(bucket, request)
  if (method === 'PUT') {
    if (headers['if-none-match'] === '*' && bucket.get(key)) return fail(request, 409, 'BlobAlreadyExists')
    bucket.put(key, body)
    return respond(201)
  }
  if (method === 'DELETE') {
    if (!bucket.get(key)) return fail(request, 404, 'BlobNotFound')
    bucket.remove(key)
    return respond(202)
  }
  const found = bucket.get(key, idOf(bucket, key, url.searchParams.get('versionid')))
  if (found === undefined) return fail(request, 404, 'BlobNotFound')
  const at = bucket.newest(key)?.at ?? new Date(0)
  if (method === 'HEAD')
    return respond(200, '', { 'content-length': String(found.length), 'last-modified': at.toUTCString() })
  sendObject(request, found)
}

function fail({ respond }: BucketRequest, status: number, code: string): void {
  respond(status, `<Error><Code>${code}</Code></Error>`, { 'x-ms-error-code': code })
}

/** A version is named by its time, to a ten-millionth of a second: its number makes it unique. */
function nameOf({ id, at }: { readonly id: string; readonly at: Date }): string {
  return `${at.toISOString().slice(0, 23)}${id.slice(-4)}Z`
}

function idOf(bucket: VersionedBucket, key: string, name: string | null): string | undefined {
  if (name === null) return undefined
  const [, versions = []] = bucket.keys(key).find(([each]) => each === key) ?? []
  return versions.find(each => nameOf(each) === name)?.id ?? 'none'
}

function list(bucket: VersionedBucket, { url, respond }: BucketRequest): void {
  const include = (url.searchParams.get('include') ?? '').split(',')
  const blobs = bucket.keys(url.searchParams.get('prefix') ?? '').flatMap(([key, versions]) => {
    const isGone = versions.at(-1)?.body === undefined
    return versions.flatMap((version, at) => {
      const isLast = at === versions.length - 1
      if (!isLast && !include.includes('versions')) return []
      const { body } = version
      // The blob that has versions only is named by the moment of its deletion, and modified when its last version was.
      if (body === undefined && !(isLast && include.includes('deletedwithversions'))) return []
      const before = versions[at - 1]
      return [
        `<Blob><Name>${key}</Name><VersionId>${nameOf(version)}</VersionId>${
          isLast && !isGone ? '<IsCurrentVersion>true</IsCurrentVersion>' : ''
        }<Properties><Last-Modified>${((body ? version : before)?.at ?? version.at).toUTCString()}</Last-Modified><Content-Length>${
          (body ?? before?.body)?.length ?? 0
        }</Content-Length></Properties>${body ? '' : '<HasVersionsOnly>true</HasVersionsOnly>'}</Blob>`,
      ]
    })
  })
  const { items, next = '' } = bucket.page(blobs, url.searchParams.get('marker'))
  respond(
    200,
    `<EnumerationResults><Blobs>${items.join('')}</Blobs><NextMarker>${next}</NextMarker></EnumerationResults>`,
  )
}
