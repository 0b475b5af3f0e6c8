import type { IncomingHttpHeaders } from 'node:http'
import { type Answer, type Lock, type ObjectsServer, serveObjects, type Version } from './versioned-objects.ts'

/**
 * A container with immutable versions, as Azure documents it; Azurite has none. Believes any credentials.
 *
 * @see https://learn.microsoft.com/en-us/azure/storage/blobs/immutable-version-level-worm-policies
 */
export function startAzureLocksServer({ isImmutable = true } = {}): Promise<ObjectsServer> {
  return serveObjects((objects, request, url, body) => {
    const [, , , ...parts] = url.pathname.split('/')
    const key = parts.map(decodeURIComponent).join('/')
    const { method, headers } = request
    const asked = url.searchParams
    if (asked.get('comp') === 'list')
      return listing(objects.keys(asked.get('prefix') ?? ''), name => objects.find(name))
    if (asked.get('restype') === 'container') {
      return { status: 200, headers: { 'x-ms-immutable-storage-with-versioning-enabled': String(isImmutable) } }
    }
    const versionId = asked.get('versionid')
    const version = versionId
      ? objects.all().find(each => each.key === key && each.version.id === versionId)?.version
      : objects.find(key)
    if (asked.get('comp') === 'immutabilityPolicies') {
      if (!version) return refusal(404, 'BlobNotFound')
      const isDone = objects.relock(version, method === 'PUT' ? lockOf(headers) : undefined, true)
      return isDone ? { status: method === 'PUT' ? 200 : 202 } : refusal(409, 'BlobImmutableDueToPolicy')
    }
    if (method === 'PUT') {
      if (headers['if-none-match'] === '*' && version) return refusal(409, 'BlobAlreadyExists')
      return { status: 201, headers: { 'x-ms-version-id': objects.put(key, body, lockOf(headers)).id } }
    }
    if (!version) return refusal(404, 'BlobNotFound')
    if (method === 'DELETE') {
      if (!versionId) objects.hide(key)
      else if (!objects.destroy(key, versionId)) return refusal(409, 'BlobImmutableDueToPolicy')
      return { status: 202 }
    }
    return { status: 200, headers: headersOf(version, method === 'HEAD'), body: version.content }
  })
}

function headersOf({ content, storedAt, lock }: Version, isHead: boolean): Record<string, string> {
  return {
    'last-modified': storedAt.toUTCString(),
    ...(isHead ? { 'content-length': String(content.length) } : {}),
    ...(lock ? { 'x-ms-immutability-policy-until-date': lock.until.toUTCString() } : {}),
  }
}

function lockOf(headers: IncomingHttpHeaders): Lock | undefined {
  const until = headers['x-ms-immutability-policy-until-date']
  if (typeof until !== 'string') return undefined
  return { until: new Date(until), mode: headers['x-ms-immutability-policy-mode'] === 'Locked' ? 'locked' : 'unlocked' }
}

const refusal = (status: number, code: string): Answer => ({ status, headers: { 'x-ms-error-code': code } })

function listing(keys: readonly string[], find: (key: string) => Version | undefined): Answer {
  const blobs = keys.map(
    key =>
      `<Blob><Name>${key}</Name><Properties><Content-Length>${find(key)?.content.length ?? 0}</Content-Length></Properties></Blob>`,
  )
  return {
    status: 200,
    body: `<?xml version="1.0"?><EnumerationResults><Blobs>${blobs.join('')}</Blobs><NextMarker /></EnumerationResults>`,
  }
}
