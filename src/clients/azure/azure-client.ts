import { createHash } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import type { Expiring } from '../../base/expiring.ts'
import type { Secret } from '../../base/secret.ts'
import { contentLength, type HttpAnswer, type HttpClient, HttpFailure, ServerClock } from '../http/index.ts'
import { ListingGuard } from '../objects/listing-guard.ts'
import type {
  CallOptions,
  GetOptions,
  ListedObject,
  ObjectClass,
  ObjectClient,
  ObjectHead,
  ObjectHistory,
  PutOptions,
} from '../objects/object-client.ts'
import { parseXml, textOf, type XmlElement, XmlError } from '../xml/xml.ts'
import { AzureHistory } from './azure-history.ts'
import type { AzureCall } from './call.ts'
import type { AccessToken } from './credentials.ts'
import { AzureFailure, failureOf, isAbsent } from './failure.ts'
import { AzureLocks, lockHeaders } from './locks.ts'
import { authorizationOf, type SharedKey } from './sign.ts'

/** What requests are allowed by: the account's key, a signature that somebody else made, or an identity. */
export type AzureAuthorization =
  | { readonly sharedKey: SharedKey }
  /** The query of a shared access signature, without a question mark. */
  | { readonly signature: Secret }
  | { readonly tokens: Expiring<AccessToken> }

export interface AzureClientOptions {
  readonly http: HttpClient
  /** `https://ACCOUNT.blob.core.windows.net`; of an emulator with the account as its path. */
  readonly endpoint: URL
  readonly container: string
  readonly authorization: AzureAuthorization
  readonly clock: Pick<Clock, 'now'>
}

export interface AzureThawOptions extends CallOptions {
  /** Where it goes. */
  readonly tier: 'Hot' | 'Cool' | 'Cold'
  readonly priority: 'Standard' | 'High'
}

/** Blobs of up to 5000 MiB in one request since 2019-12-12, the tier Cold since 2021-12-02. */
const VERSION = '2021-12-02'
const LISTING_BYTES = 16 * 1024 * 1024

/**
 * Blobs of one container. Each is stored by one request, which carries the hash that the server checks. Refusals are
 * `AzureFailure`.
 *
 * @see https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-rest-api
 */
export class AzureClient implements ObjectClient {
  readonly #options: AzureClientOptions
  readonly #base: string
  readonly #serverClock: ServerClock
  readonly locks: AzureLocks

  constructor(options: AzureClientOptions) {
    this.#options = options
    this.#base = `${options.endpoint.pathname.replace(/\/$/, '')}/${encodeURIComponent(options.container)}`
    this.#serverClock = new ServerClock(options.clock)
    this.locks = new AzureLocks(call => this.#call(call), this.#serverClock)
  }

  async put(key: string, body: readonly Uint8Array[], options: PutOptions = {}): Promise<void> {
    const { ifAbsent = false, headers, storageClass, lock, signal } = options
    const md5 = createHash('md5')
    for (const part of body) md5.update(part)
    await this.#call({
      method: 'PUT',
      key,
      body,
      headers: {
        ...headers,
        ...(lock && lockHeaders(lock)),
        'x-ms-blob-type': 'BlockBlob',
        'content-type': 'application/octet-stream',
        'content-md5': md5.digest('base64'),
        ...(storageClass === undefined ? {} : { 'x-ms-access-tier': storageClass }),
        ...(ifAbsent ? { 'if-none-match': '*' } : {}),
      },
      // It would find its own blob.
      repeatable: !ifAbsent,
      signal,
    })
  }

  /** The blob or the range of it: the caller looks at the head, for a server may answer with another range. */
  async get(key: string, { range, ...options }: GetOptions): Promise<HttpAnswer> {
    const headers = range && { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }
    return await this.#call({ method: 'GET', key, headers, ...options })
  }

  async head(key: string, { signal }: CallOptions = {}): Promise<ObjectHead | undefined> {
    try {
      const { headers } = await this.#call({ method: 'HEAD', key, signal })
      const sizeBytes = contentLength(headers)
      if (sizeBytes === undefined) throw new HttpFailure('malformed', 'the answer does not say how long the blob is')
      const modified = Date.parse(headers['last-modified'] ?? '')
      return {
        sizeBytes,
        modifiedAt: Number.isNaN(modified) ? undefined : new Date(modified),
        ...classOf(word(headers['x-ms-access-tier']), word(headers['x-ms-archive-status'])),
      }
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    }
  }

  /** One that is not there is fine. */
  async remove(key: string, { signal }: CallOptions = {}): Promise<void> {
    try {
      await this.#call({ method: 'DELETE', key, repeatable: true, signal })
    } catch (error) {
      if (!isAbsent(error)) throw error
    }
  }

  /** All blobs whose name starts with `prefix`. */
  async *list(prefix: string, { signal }: CallOptions = {}): AsyncGenerator<ListedObject> {
    const guard = new ListingGuard(prefix)
    for (let marker = ''; ; ) {
      const query: Array<readonly [string, string]> = [
        ['restype', 'container'],
        ['comp', 'list'],
        ['prefix', prefix],
      ]
      if (marker !== '') query.push(['marker', marker])
      const answer = await this.#call({ method: 'GET', key: '', query, limitBytes: LISTING_BYTES, signal })
      const { blobs, nextMarker } = parsePage(answer.body)
      for (const blob of blobs) {
        guard.requireNext(blob.key)
        yield blob
      }
      if (nextMarker === '') return
      guard.requireNewPage(nextMarker)
      marker = nextMarker
    }
  }

  get history(): ObjectHistory {
    return new AzureHistory(call => this.#call(call))
  }

  /** Moves a blob out of the archive for good. One that is on its way or is there is fine. */
  async thaw(key: string, { tier, priority, signal }: AzureThawOptions): Promise<void> {
    try {
      await this.#call({
        method: 'PUT',
        key,
        query: [['comp', 'tier']],
        headers: { 'x-ms-access-tier': tier, 'x-ms-rehydrate-priority': priority },
        body: [],
        repeatable: true,
        signal,
      })
    } catch (error) {
      if (!(error instanceof AzureFailure) || error.code !== 'BlobBeingRehydrated') throw error
    }
  }

  /** A token that is not taken any more is asked for once more. */
  async #call(call: AzureCall): Promise<HttpAnswer> {
    const { http, endpoint, authorization, clock } = this.#options
    for (let isFirst = true; ; isFirst = false) {
      const request = await this.#authorized(call)
      const { method, body, into, limitBytes, onHead, repeatable, signal } = call
      const answer = await http.request({
        method,
        origin: endpoint.origin,
        ...request,
        body,
        into,
        limitBytes,
        onHead: head => {
          this.#serverClock.hear(head.headers)
          if (head.status >= 200 && head.status < 300) onHead?.(head)
        },
        repeatable,
        signal,
      })
      if (answer.status >= 200 && answer.status < 300) return answer
      if (answer.status === 401 && isFirst && 'tokens' in authorization && authorization.tokens.renew()) continue
      throw failureOf(answer, clock.now())
    }
  }

  async #authorized({ method, key, query = [], headers = {}, body }: AzureCall) {
    const { authorization, clock } = this.#options
    const path = key === '' ? this.#base : `${this.#base}/${key.split('/').map(encodeURIComponent).join('/')}`
    const all: Record<string, string> = {
      ...headers,
      'x-ms-version': VERSION,
      'x-ms-date': clock.now().toUTCString(),
      ...(body === undefined ? {} : { 'content-length': String(body.reduce((sum, part) => sum + part.length, 0)) }),
    }
    const asked = query.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    if ('signature' in authorization) asked.push(authorization.signature.reveal())
    if ('sharedKey' in authorization) {
      all['authorization'] = authorizationOf({ method, path, query, headers: all }, authorization.sharedKey)
    }
    if ('tokens' in authorization) {
      all['authorization'] = `Bearer ${(await authorization.tokens.get()).value.reveal()}`
    }
    return { path: asked.length === 0 ? path : `${path}?${asked.join('&')}`, headers: all }
  }
}

interface Page {
  readonly blobs: readonly ListedObject[]
  /** '' on the last page. */
  readonly nextMarker: string
}

function parsePage(body: Buffer): Page {
  try {
    const root = parseXml(body.toString('utf8'))
    const list = root.children.find(({ name }) => name === 'Blobs')
    const nextMarker = textOf(root, 'NextMarker')
    if (root.name !== 'EnumerationResults' || list === undefined)
      throw new XmlError(`it is a ${root.name.slice(0, 40)}`)
    return { blobs: list.children.filter(({ name }) => name === 'Blob').map(blobOf), nextMarker: nextMarker ?? '' }
  } catch (error) {
    if (!(error instanceof XmlError)) throw error
    throw new HttpFailure('malformed', `a listing cannot be read: ${error.message}`, error)
  }
}

function blobOf(element: XmlElement): ListedObject {
  const key = textOf(element, 'Name') ?? ''
  const properties = element.children.find(({ name }) => name === 'Properties')
  const size = (properties && textOf(properties, 'Content-Length')) ?? ''
  if (key === '' || !/^\d{1,15}$/.test(size)) throw new XmlError('a blob has no name or no size')
  const text = (name: string): string | undefined => word(properties && textOf(properties, name))
  const modified = Date.parse(text('Last-Modified') ?? '')
  return {
    key,
    sizeBytes: Number(size),
    modifiedAt: Number.isNaN(modified) ? undefined : new Date(modified),
    ...classOf(text('AccessTier'), text('ArchiveStatus')),
  }
}

/** @see https://learn.microsoft.com/en-us/azure/storage/blobs/archive-rehydrate-overview */
function classOf(tier: string | undefined, status: string | undefined): ObjectClass {
  if (tier !== 'Archive') return { storageClass: tier }
  return { storageClass: tier, archived: status?.startsWith('rehydrate-pending') ? 'thawing' : 'archived' }
}

const word = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)
