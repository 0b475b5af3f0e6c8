import { createHash, randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Clock } from '../../base/clock.ts'
import type { Expiring } from '../../base/expiring.ts'
import { type HttpAnswer, type HttpClient, HttpFailure, type HttpRequest, ServerClock } from '../http/index.ts'
import { ListingGuard } from '../objects/listing-guard.ts'
import type {
  CallOptions,
  GetOptions,
  ListedObject,
  ObjectClient,
  ObjectHead,
  ObjectHistory,
  PutOptions,
} from '../objects/object-client.ts'
import type { AccessToken } from './credentials.ts'
import { failureOf, isAbsent } from './failure.ts'
import { GcsHistory } from './gcs-history.ts'
import { GcsLocks, retentionOf } from './locks.ts'
import { parsed } from './parsed.ts'

export interface GcsClientOptions {
  readonly bucket: string
  /** `https://storage.googleapis.com`, or an emulator's. */
  readonly origin: string
  readonly http: HttpClient
  /** Undefined: requests are sent without one, as emulators take them. */
  readonly tokens: Expiring<AccessToken> | undefined
  /** The key of Cloud KMS that new objects are encrypted with; undefined: the bucket's. */
  readonly kmsKeyName?: string | undefined
  readonly clock: Pick<Clock, 'now'>
}

const object = z.object({
  name: z.string(),
  // Numbers of 64 bits are text in this API.
  size: z.string().regex(/^\d{1,15}$/),
  storageClass: z.string().optional(),
  updated: z.iso.datetime({ offset: true }).optional(),
})
const stored = object.extend({ md5Hash: z.string().optional(), generation: z.string().regex(/^\d+$/).optional() })
const page = z.object({ items: z.array(object).default([]), nextPageToken: z.string().min(1).optional() })

const timeOf = (text: string | undefined): Date | undefined => (text === undefined ? undefined : new Date(text))

const LISTING_BYTES = 16 * 1024 * 1024

/**
 * Objects of one bucket by Google's JSON API. Refusals are `GcsFailure`.
 *
 * @see https://cloud.google.com/storage/docs/json_api/v1
 */
export class GcsClient implements ObjectClient {
  readonly #options: GcsClientOptions
  readonly #objects: string
  readonly #serverClock: ServerClock
  readonly locks: GcsLocks

  constructor(options: GcsClientOptions) {
    this.#options = options
    this.#objects = `/storage/v1/b/${encodeURIComponent(options.bucket)}/o`
    this.#serverClock = new ServerClock(options.clock)
    this.locks = new GcsLocks({
      bucket: options.bucket,
      send: request => this.#send(request),
      clock: this.#serverClock,
    })
  }

  /** With its hash, which the server checks; what it says that it stored is checked again here. */
  async put(key: string, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<void> {
    const { ifAbsent = false, lock, storageClass, signal } = options
    const { kmsKeyName } = this.#options
    const md5 = createHash('md5')
    for (const part of parts) md5.update(part)
    const md5Hash = md5.digest('base64')
    const boundary = randomBytes(16).toString('hex')
    const head =
      `--${boundary}\r\ncontent-type: application/json; charset=utf-8\r\n\r\n${JSON.stringify({ name: key, md5Hash, storageClass, retention: lock && retentionOf(lock) })}\r\n` +
      `--${boundary}\r\ncontent-type: application/octet-stream\r\n\r\n`
    const answer = await this.#send({
      method: 'POST',
      path: `/upload${this.#objects}?${query({
        uploadType: 'multipart',
        ...(ifAbsent ? { ifGenerationMatch: '0' } : {}),
        ...(kmsKeyName === undefined ? {} : { kmsKeyName }),
      })}`,
      headers: { 'content-type': `multipart/related; boundary=${boundary}` },
      body: [Buffer.from(head), ...parts, Buffer.from(`\r\n--${boundary}--\r\n`)],
      signal,
    })
    const { md5Hash: found, size, generation } = parsed(stored, answer)
    const sizeBytes = parts.reduce((sum, part) => sum + part.length, 0)
    if (Number(size) === sizeBytes && (found === undefined || found === md5Hash)) return
    // It must not be taken for what was to be stored when this is tried again.
    if (generation !== undefined) await this.#delete(key, `?generation=${generation}`, signal).catch(() => undefined)
    throw new HttpFailure('malformed', 'the server stored something else than was sent')
  }

  async get(key: string, { range, ...options }: GetOptions): Promise<HttpAnswer> {
    const headers = range && { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }
    return await this.#send({ method: 'GET', path: `${this.#pathOf(key)}?alt=media`, headers, ...options })
  }

  async head(key: string, { signal }: CallOptions = {}): Promise<ObjectHead | undefined> {
    const path = `${this.#pathOf(key)}?fields=name,size,updated,storageClass`
    try {
      const { size, updated, storageClass } = parsed(object, await this.#send({ method: 'GET', path, signal }))
      return { sizeBytes: Number(size), modifiedAt: timeOf(updated), storageClass }
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    }
  }

  async remove(key: string, { signal }: CallOptions = {}): Promise<void> {
    try {
      await this.#delete(key, '', signal)
    } catch (error) {
      if (!isAbsent(error)) throw error
    }
  }

  async *list(prefix: string, { signal }: CallOptions = {}): AsyncGenerator<ListedObject> {
    const guard = new ListingGuard(prefix)
    for (let token: string | undefined; ; ) {
      const asked = { prefix, fields: 'items(name,size,updated,storageClass),nextPageToken', maxResults: '1000' }
      const path = `${this.#objects}?${query(token === undefined ? asked : { ...asked, pageToken: token })}`
      const answer = await this.#send({ method: 'GET', path, limitBytes: LISTING_BYTES, signal })
      const { items, nextPageToken } = parsed(page, answer)
      for (const { name, size, updated, storageClass } of items) {
        guard.requireNext(name)
        yield { key: name, sizeBytes: Number(size), modifiedAt: timeOf(updated), storageClass }
      }
      if (nextPageToken === undefined) return
      guard.requireNewPage(nextPageToken)
      token = nextPageToken
    }
  }

  get history(): ObjectHistory {
    return new GcsHistory(this.#objects, request => this.#send(request))
  }

  #pathOf(key: string): string {
    return `${this.#objects}/${encodeURIComponent(key)}`
  }

  async #delete(key: string, asked: string, signal: AbortSignal | undefined): Promise<void> {
    await this.#send({ method: 'DELETE', path: this.#pathOf(key) + asked, signal, repeatable: true })
  }

  /** A token that is not taken any more is asked for once more: clocks differ, and keys are changed. */
  async #send({ onHead, ...request }: Omit<HttpRequest, 'origin'>): Promise<HttpAnswer> {
    const { origin, http, tokens, clock } = this.#options
    for (let isFirst = true; ; isFirst = false) {
      const token = await tokens?.get()
      const authorization: Record<string, string> = token ? { authorization: `Bearer ${token.value.reveal()}` } : {}
      const answer = await http.request({
        ...request,
        origin,
        headers: { ...request.headers, ...authorization },
        onHead: head => {
          this.#serverClock.hear(head.headers)
          if (isSuccess(head)) onHead?.(head)
        },
      })
      if (isSuccess(answer)) return answer
      if (answer.status === 401 && isFirst && tokens?.renew() === true) continue
      throw failureOf(answer, clock.now())
    }
  }
}

const isSuccess = ({ status }: { readonly status: number }): boolean => status >= 200 && status < 300

const query = (values: Readonly<Record<string, string>>): string => new URLSearchParams(values).toString()
