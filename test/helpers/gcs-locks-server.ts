import { createHash } from 'node:crypto'
import { type Answer, type Lock, type ObjectsServer, serveObjects, type Version } from './versioned-objects.ts'

interface Retention {
  readonly mode: string
  readonly retainUntilTime: string
}

/**
 * A bucket with versions and object retention, as Google documents it; fake-gcs-server takes retention and does not
 * enforce it. Believes any credentials.
 *
 * @see https://cloud.google.com/storage/docs/object-lock
 */
export function startGcsLocksServer(): Promise<ObjectsServer> {
  return serveObjects((objects, request, url, body) => {
    const { method } = request
    const asked = url.searchParams
    if (url.pathname.startsWith('/upload/')) {
      const { name, retention, content } = parseUpload(body)
      if (asked.get('ifGenerationMatch') === '0' && objects.find(name)) return refusal(412, 'conditionNotMet')
      return json(resource(name, objects.put(name, content, lockOf(retention))))
    }
    const [, name] = /^\/storage\/v1\/b\/[^/]+\/o(?:\/(.*))?$/.exec(url.pathname) ?? []
    if (!url.pathname.includes('/o'))
      return json({ versioning: { enabled: true }, objectRetention: { mode: 'Enabled' } })
    if (name === undefined) {
      const keys = objects.keys(asked.get('prefix') ?? '')
      return json({ items: keys.map(key => resource(key, objects.find(key) as Version)) })
    }
    const key = decodeURIComponent(name)
    const generation = asked.get('generation')
    const version = generation
      ? objects.all().find(each => each.key === key && each.version.id === generation)?.version
      : objects.find(key)
    if (!version) return refusal(404, 'notFound')
    if (method === 'PATCH') {
      const { retention } = JSON.parse(body.toString()) as { retention: Retention | null }
      const mayEnd = asked.get('overrideUnlockedRetention') === 'true'
      if (!objects.relock(version, lockOf(retention ?? undefined), mayEnd)) return refusal(403, 'retentionPolicyNotMet')
      return json(resource(key, version))
    }
    if (method === 'DELETE') {
      if (!generation) objects.hide(key)
      else if (!objects.destroy(key, generation)) return refusal(403, 'retentionPolicyNotMet')
      return { status: 204 }
    }
    return asked.get('alt') === 'media' ? { status: 200, body: version.content } : json(resource(key, version))
  })
}

function parseUpload(body: Buffer): { name: string; retention: Retention | undefined; content: Buffer } {
  const boundary = body.subarray(0, body.indexOf('\r\n')).toString()
  const metadataAt = body.indexOf('\r\n\r\n') + 4
  const metadataEnd = body.indexOf(`\r\n${boundary}`, metadataAt)
  const contentAt = body.indexOf('\r\n\r\n', metadataEnd) + 4
  const contentEnd = body.lastIndexOf(`\r\n${boundary}--`)
  const { name, retention } = JSON.parse(body.subarray(metadataAt, metadataEnd).toString())
  return { name, retention, content: body.subarray(contentAt, contentEnd) }
}

function resource(name: string, { id, content, storedAt, lock }: Version) {
  return {
    name,
    size: String(content.length),
    updated: storedAt.toISOString(),
    md5Hash: createHash('md5').update(content).digest('base64'),
    generation: id,
    ...(lock && {
      retention: {
        mode: lock.mode === 'locked' ? 'Locked' : 'Unlocked',
        retainUntilTime: lock.until.toISOString(),
      },
    }),
  }
}

function lockOf(retention: Retention | undefined): Lock | undefined {
  if (!retention) return undefined
  return { until: new Date(retention.retainUntilTime), mode: retention.mode === 'Locked' ? 'locked' : 'unlocked' }
}

const json = (value: unknown): Answer => ({ status: 200, body: JSON.stringify(value) })

const refusal = (status: number, reason: string): Answer => ({
  status,
  body: JSON.stringify({ error: { code: status, message: reason, errors: [{ reason }] } }),
})
