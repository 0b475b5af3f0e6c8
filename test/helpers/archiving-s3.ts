import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Stored {
  readonly content: Buffer
  readonly storageClass: string
  /** What was said of encryption. */
  readonly encryption: Readonly<Record<string, unknown>>
  /** When it was stored. */
  readonly at: Date
  restore: 'none' | 'ongoing' | 'done'
}

export interface ArchivingS3 {
  /** `s3:http://127.0.0.1:PORT/bucket` */
  readonly url: string
  /** By their key, as they lie there. */
  readonly objects: ReadonlyMap<string, Stored>
  /** Keys that were asked for, with the days and the tier. */
  readonly restores: ReadonlyArray<{ readonly key: string; readonly days: string; readonly tier: string }>
  /** All that was asked for can be read from now on. */
  finishRestores(): void
  close(): Promise<void>
}

const ARCHIVES = new Set(['GLACIER', 'DEEP_ARCHIVE'])
const PAGE = 1000

/**
 * An S3 service in this process that holds archived objects back as AWS does: no emulator does. It tells what is on its way back
 * only in the answer to HEAD, and in listings to whoever asks with a header. It checks bodies by their SHA-256, and no signature.
 *
 * @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/archived-objects.html
 */
export async function startArchivingS3(): Promise<ArchivingS3> {
  const service = new Service()
  const server = createServer((request, response) => {
    void service.answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `s3:http://127.0.0.1:${(server.address() as AddressInfo).port}/bucket`,
    objects: service.objects,
    restores: service.restores,
    finishRestores: () => service.finishRestores(),
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

class Service {
  readonly objects = new Map<string, Stored>()
  readonly restores: Array<{ key: string; days: string; tier: string }> = []

  finishRestores(): void {
    for (const object of this.objects.values()) if (object.restore === 'ongoing') object.restore = 'done'
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const url = new URL(request.url ?? '/', 'http://localhost')
    const key = decodeURIComponent(url.pathname.replace(/^\/bucket\/?/, ''))
    const body = Buffer.concat(parts)
    if (createHash('sha256').update(body).digest('hex') !== request.headers['x-amz-content-sha256']) {
      return refuse(response, 400, 'XAmzContentSHA256Mismatch')
    }
    if (request.method === 'PUT') return this.#put(key, body, request, response)
    if (request.method === 'POST' && url.searchParams.has('restore')) return this.#restore(key, String(body), response)
    if (request.method === 'GET' && key === '') return this.#list(url.searchParams, request, response)
    if (request.method === 'GET' || request.method === 'HEAD') return this.#get(key, request, response)
    if (request.method !== 'DELETE') return refuse(response, 501, 'NotImplemented')
    this.objects.delete(key)
    response.writeHead(204).end()
  }

  #put(key: string, content: Buffer, { headers }: IncomingMessage, response: ServerResponse): void {
    if (headers['if-none-match'] === '*' && this.objects.has(key)) return refuse(response, 412, 'PreconditionFailed')
    const storageClass = String(headers['x-amz-storage-class'] ?? 'STANDARD')
    const encryption = Object.fromEntries(
      Object.entries(headers).filter(([name]) => name.startsWith('x-amz-server-side-encryption')),
    )
    this.objects.set(key, { content, storageClass, encryption, at: new Date(), restore: 'none' })
    response.writeHead(200, { 'content-length': 0 }).end()
  }

  #get(key: string, request: IncomingMessage, response: ServerResponse): void {
    const object = this.objects.get(key)
    if (!object) return refuse(response, 404, 'NoSuchKey')
    const { content, storageClass, restore } = object
    if (request.method === 'GET' && isHeldBack(object)) return refuse(response, 403, 'InvalidObjectState')
    const told =
      restore === 'none'
        ? {}
        : { 'x-amz-restore': `ongoing-request="${restore === 'ongoing'}", expiry-date="Fri, 21 Dec 2030 00:00:00 GMT"` }
    const common = {
      'last-modified': object.at.toUTCString(),
      ...told,
      ...(storageClass === 'STANDARD' ? {} : { 'x-amz-storage-class': storageClass }),
    }
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')
    if (request.method === 'HEAD')
      return void response.writeHead(200, { ...common, 'content-length': content.length }).end()
    if (!range) return void response.writeHead(200, { ...common, 'content-length': content.length }).end(content)
    const [from, to] = [Number(range[1]), Math.min(Number(range[2]), content.length - 1)]
    if (from > to) return refuse(response, 416, 'InvalidRange')
    response
      .writeHead(206, {
        ...common,
        'content-length': to - from + 1,
        'content-range': `bytes ${from}-${to}/${content.length}`,
      })
      .end(content.subarray(from, to + 1))
  }

  #restore(key: string, body: string, response: ServerResponse): void {
    const object = this.objects.get(key)
    if (!object) return refuse(response, 404, 'NoSuchKey')
    const days = /<Days>(\d+)<\/Days>/.exec(body)?.[1]
    const tier = /<Tier>(Standard|Bulk|Expedited)<\/Tier>/.exec(body)?.[1]
    const isUnknown = days === undefined || tier === undefined
    if (isUnknown || (tier === 'Expedited' && object.storageClass === 'DEEP_ARCHIVE')) {
      return refuse(response, 400, 'MalformedXML')
    }
    if (!ARCHIVES.has(object.storageClass)) return refuse(response, 403, 'InvalidObjectState')
    if (object.restore === 'ongoing') return refuse(response, 409, 'RestoreAlreadyInProgress')
    this.restores.push({ key, days, tier })
    if (object.restore === 'none') object.restore = 'ongoing'
    response.writeHead(object.restore === 'done' ? 200 : 202, { 'content-length': 0 }).end()
  }

  #list(query: URLSearchParams, { headers }: IncomingMessage, response: ServerResponse): void {
    const [prefix, after] = [query.get('prefix') ?? '', query.get('continuation-token') ?? '']
    const asksForRestores = headers['x-amz-optional-object-attributes'] === 'RestoreStatus'
    const keys = [...this.objects.keys()].filter(key => key.startsWith(prefix) && key > after).sort()
    const page = keys.slice(0, PAGE)
    const last = page.at(-1)
    const more = keys.length > page.length && last !== undefined
    const contents = page.map(key => {
      const { content, storageClass, at, restore } = this.objects.get(key) as Stored
      const status =
        !asksForRestores || restore === 'none'
          ? ''
          : `<RestoreStatus><IsRestoreInProgress>${restore === 'ongoing'}</IsRestoreInProgress>${restore === 'done' ? '<RestoreExpiryDate>2030-12-21T00:00:00Z</RestoreExpiryDate>' : ''}</RestoreStatus>`
      return `<Contents><Key>${encodeURIComponent(key)}</Key><LastModified>${at.toISOString()}</LastModified><Size>${content.length}</Size><StorageClass>${storageClass}</StorageClass>${status}</Contents>`
    })
    const token = more ? `<NextContinuationToken>${last}</NextContinuationToken>` : ''
    const body = `<?xml version="1.0"?><ListBucketResult><EncodingType>url</EncodingType><IsTruncated>${more}</IsTruncated>${token}${contents.join('')}</ListBucketResult>`
    response.writeHead(200, { 'content-length': Buffer.byteLength(body) }).end(body)
  }
}

function isHeldBack({ storageClass, restore }: Stored): boolean {
  return ARCHIVES.has(storageClass) && restore !== 'done'
}

function refuse(response: ServerResponse, status: number, code: string): void {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>refused</Message></Error>`
  response.writeHead(status, { 'content-length': Buffer.byteLength(body) }).end(body)
}
