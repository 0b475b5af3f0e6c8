import { createHash } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import type { Expiring } from '../../base/expiring.ts'
import type { Logger } from '../../base/logger.ts'
import { contentLength, type HttpAnswer, type HttpClient, HttpFailure, ServerClock } from '../http/index.ts'
import { ListingGuard } from '../objects/listing-guard.ts'
import type {
  CallOptions,
  GetOptions,
  ObjectClass,
  ObjectClient,
  ObjectHead,
  ObjectHistory,
  PutOptions,
} from '../objects/object-client.ts'
import type { S3Call } from './call.ts'
import { failureInside, failureOf, S3Failure } from './failure.ts'
import type { IssuedCredentials } from './issued-credentials.ts'
import { isArchiveClass, parsePage, type S3ListedObject, type S3Page } from './listing.ts'
import { lockHeaders, S3Locks } from './locks.ts'
import { S3History } from './s3-history.ts'
import { EMPTY_SHA256, encodePath, encodeQuery, type QueryParameter, signRequest } from './sign.ts'

export interface S3ClientOptions {
  readonly http: HttpClient
  /** `https://host:port` of the service, without the bucket. */
  readonly origin: string
  readonly bucket: string
  /** Is the bucket a part of the path, or of the host's name? */
  readonly style: 'path' | 'host'
  readonly region: string
  /** May another region be used when the server names it? */
  readonly mayLearnRegion: boolean
  readonly credentials: Expiring<IssuedCredentials>
  readonly clock: Pick<Clock, 'now'>
  readonly logger: Pick<Logger, 'warn'>
}

export interface S3ThawOptions extends CallOptions {
  /** How long it can then be read. */
  readonly days: number
  /** How fast. */
  readonly tier: 'Standard' | 'Bulk' | 'Expedited'
}

/** @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html */
const ASK_FOR_RESTORES = { 'x-amz-optional-object-attributes': 'RestoreStatus' }
const LISTING_BYTES = 16 * 1024 * 1024
/** A server that refuses for a wrong clock allows at least five minutes. */
const SKEW_MS = 5 * 60_000

/**
 * One bucket of a service that speaks S3. Objects are stored by one request each; what a server answers is believed as far
 * as it can be checked. Throws `S3Failure`, `HttpFailure`, `interrupted`, and what the credentials throw. Nothing is
 * tried again but a request that the server's clock, the bucket's region or an expired token made fail: once.
 */
export class S3Client implements ObjectClient {
  readonly #options: S3ClientOptions
  readonly #origin: string
  readonly #base: string
  readonly #serverClock: ServerClock
  readonly locks: S3Locks
  #region: string
  #mayLearnRegion: boolean
  /** From the first archived object on that a listing shows, where the service knows the question. */
  #asksForRestores = false
  /** What the server's clock is ahead of ours. */
  #aheadMs = 0

  constructor(options: S3ClientOptions) {
    this.#options = options
    this.#region = options.region
    this.#mayLearnRegion = options.mayLearnRegion
    const { protocol, host } = new URL(options.origin)
    this.#origin = `${protocol}//${options.style === 'host' ? `${options.bucket}.` : ''}${host}`
    this.#base = options.style === 'host' ? '' : `/${encodePath(options.bucket)}`
    this.#serverClock = new ServerClock(options.clock)
    this.locks = new S3Locks(call => this.#call(call), this.#serverClock)
  }

  async put(key: string, body: readonly Uint8Array[], options: PutOptions = {}): Promise<void> {
    const { ifAbsent = false, headers, storageClass, lock, signal } = options
    const answer = await this.#call({
      method: 'PUT',
      key,
      body,
      bodySha256: options.sha256,
      headers: {
        ...headers,
        ...(storageClass === undefined ? {} : { 'x-amz-storage-class': storageClass }),
        ...(lock && lockHeaders(lock, body)),
        ...(ifAbsent ? { 'if-none-match': '*' } : {}),
      },
      // It would find its own object.
      repeatable: !ifAbsent,
      signal,
    })
    this.#requireNoError(answer)
  }

  /** The object or the range of it: the caller looks at the head, for a server may answer with another range. */
  async get(key: string, { range, ...options }: GetOptions): Promise<HttpAnswer> {
    const headers = range && { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }
    return await this.#call({ method: 'GET', key, ...(headers ? { headers } : {}), ...options })
  }

  async head(key: string, { signal }: CallOptions = {}): Promise<ObjectHead | undefined> {
    try {
      const { headers } = await this.#call({ method: 'HEAD', key, signal })
      const sizeBytes = contentLength(headers)
      if (sizeBytes === undefined) throw new HttpFailure('malformed', 'the answer does not say how long the object is')
      const modified = Date.parse(headers['last-modified'] ?? '')
      return { sizeBytes, modifiedAt: Number.isNaN(modified) ? undefined : new Date(modified), ...classOf(headers) }
    } catch (error) {
      if (!(error instanceof S3Failure)) throw error
      if (error.status === 404) return undefined
      // The answer to HEAD has no body that could say why.
      await this.#call({ method: 'GET', key, headers: { range: 'bytes=0-0' }, signal })
      throw error
    }
  }

  /** One that is not there is fine. */
  async remove(key: string, { signal }: CallOptions = {}): Promise<void> {
    try {
      this.#requireNoError(await this.#call({ method: 'DELETE', key, repeatable: true, signal }))
    } catch (error) {
      if (!(error instanceof S3Failure) || error.status !== 404 || !['', 'NoSuchKey'].includes(error.code)) throw error
    }
  }

  /** All objects whose key starts with `prefix`, in the order of their keys. */
  async *list(prefix: string, { signal }: CallOptions = {}): AsyncGenerator<S3ListedObject> {
    const guard = new ListingGuard(prefix)
    for (let token: string | undefined; ; ) {
      const query: QueryParameter[] = [
        ['list-type', '2'],
        ['encoding-type', 'url'],
        ['prefix', prefix],
      ]
      if (token !== undefined) query.push(['continuation-token', token])
      const { objects, nextToken } = await this.#listPage(query, signal)
      for (const object of objects) {
        guard.requireNext(object.key)
        yield object
      }
      if (nextToken === undefined) return
      guard.requireNewPage(nextToken)
      token = nextToken
    }
  }

  get history(): ObjectHistory {
    return new S3History(async call => {
      const answer = await this.#call(call)
      this.#requireNoError(answer)
      return answer
    })
  }

  /** Asks that an archived object can be read for some days. One that is on its way or can be read is fine. */
  async thaw(key: string, { days, tier, signal }: S3ThawOptions): Promise<void> {
    const text = `<RestoreRequest xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Days>${days}</Days><GlacierJobParameters><Tier>${tier}</Tier></GlacierJobParameters></RestoreRequest>`
    const body = [Buffer.from(text)]
    const query: QueryParameter[] = [['restore', '']]
    try {
      this.#requireNoError(await this.#call({ method: 'POST', key, query, body, repeatable: true, signal }))
    } catch (error) {
      if (!(error instanceof S3Failure) || error.code !== 'RestoreAlreadyInProgress') throw error
    }
  }

  /** What is on its way back is told only to whoever asks for it. */
  async #listPage(query: readonly QueryParameter[], signal: AbortSignal | undefined): Promise<S3Page> {
    const ask = async (headers: Readonly<Record<string, string>>): Promise<S3Page> => {
      const answer = await this.#call({ method: 'GET', key: '', query, headers, limitBytes: LISTING_BYTES, signal })
      this.#requireNoError(answer)
      return parsePage(answer.body)
    }
    const page = await ask(this.#asksForRestores ? ASK_FOR_RESTORES : {})
    if (this.#asksForRestores || !page.objects.some(({ storageClass }) => isArchiveClass(storageClass))) return page
    try {
      const told = await ask(ASK_FOR_RESTORES)
      this.#asksForRestores = true
      return told
    } catch (error) {
      if (error instanceof S3Failure && (error.status === 400 || error.status === 501)) return page
      throw error
    }
  }

  async #call(call: S3Call): Promise<HttpAnswer> {
    for (let changes = 0; ; changes++) {
      const answer = await this.#send(call)
      if (answer.status >= 200 && answer.status < 300) return answer
      const failure = failureOf(answer, this.#options.clock.now())
      if (changes > 2 || !this.#learnFrom(failure)) throw failure
    }
  }

  async #send(call: S3Call): Promise<HttpAnswer> {
    const { method, key, query = [], headers = {}, body, onHead, ...rest } = call
    const bodySha256 = call.bodySha256 ?? (body ? sha256Of(body) : EMPTY_SHA256)
    const { http, credentials, clock } = this.#options
    const path = `${this.#base}/${encodePath(key)}`
    const signed = signRequest(
      { method, host: new URL(this.#origin).host, path, query, headers, bodySha256 },
      {
        region: this.#region,
        service: 's3',
        credentials: await credentials.get(),
        now: new Date(clock.now().getTime() + this.#aheadMs),
      },
    )
    return await http.request({
      ...rest,
      method,
      origin: this.#origin,
      path: query.length === 0 ? path : `${path}?${encodeQuery(query)}`,
      headers: signed,
      body: method === 'PUT' || method === 'POST' ? (body ?? []) : undefined,
      onHead: head => {
        this.#serverClock.hear(head.headers)
        if (head.status >= 200 && head.status < 300) onHead?.(head)
      },
    })
  }

  /** Is the same worth another attempt with what the failure told? */
  #learnFrom(failure: S3Failure): boolean {
    return this.#learnTime(failure) || this.#learnRegion(failure) || this.#renewCredentials(failure)
  }

  #learnTime({ code, status, serverTime }: S3Failure): boolean {
    if (serverTime === undefined || this.#aheadMs !== 0) return false
    // HEAD gets a status alone.
    const isAboutTime = code === 'RequestTimeTooSkewed' || (code === '' && (status === 403 || status === 400))
    const aheadMs = serverTime.getTime() - this.#options.clock.now().getTime()
    if (!isAboutTime || Math.abs(aheadMs) < SKEW_MS) return false
    this.#aheadMs = aheadMs
    const minutes = Math.round(Math.abs(aheadMs) / 60_000)
    this.#options.logger.warn(
      `the clock of this machine is ${minutes} min ${aheadMs > 0 ? 'behind' : 'ahead of'} that of ${this.#origin}: requests are signed with the server's time`,
    )
    return true
  }

  #learnRegion({ region }: S3Failure): boolean {
    if (region === undefined || region === this.#region || !this.#mayLearnRegion) return false
    this.#mayLearnRegion = false
    this.#options.logger.warn(`the bucket ${this.#options.bucket} is in the region ${region}, not in ${this.#region}`)
    this.#region = region
    return true
  }

  #renewCredentials({ code }: S3Failure): boolean {
    return (code === 'ExpiredToken' || code === 'ExpiredTokenException') && this.#options.credentials.renew()
  }

  #requireNoError(answer: HttpAnswer): void {
    const failure = failureInside(answer, this.#options.clock.now())
    if (failure) throw failure
  }
}

/** @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html */
function classOf(headers: HttpAnswer['headers']): ObjectClass {
  const [storageClass, restore, tier] = ['x-amz-storage-class', 'x-amz-restore', 'x-amz-archive-status'].map(name => {
    const value = headers[name]
    return typeof value === 'string' ? value : undefined
  })
  if (!isArchiveClass(storageClass) && tier === undefined) return { storageClass }
  if (restore === undefined) return { storageClass, archived: 'archived' }
  return { storageClass, archived: /ongoing-request="false"/.test(restore) ? undefined : 'thawing' }
}

function sha256Of(parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}
