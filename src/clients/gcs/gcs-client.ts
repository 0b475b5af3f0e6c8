import { createHash, randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Clock } from '../../base/clock.ts'
import type { Expiring } from '../../base/expiring.ts'
import { type HttpAnswer, type HttpClient, HttpFailure, type HttpHead, type HttpRequest } from '../http/index.ts'
import type { AccessToken } from './credentials.ts'
import { failureOf } from './failure.ts'

export interface GcsClientOptions {
  readonly bucket: string
  /** `https://storage.googleapis.com`, or an emulator's. */
  readonly origin: string
  readonly http: HttpClient
  /** Undefined: requests are sent without one, as emulators take them. */
  readonly tokens: Expiring<AccessToken> | undefined
  readonly clock: Pick<Clock, 'now'>
}

export interface GcsObject {
  readonly name: string
  readonly sizeBytes: number
  /** By the server's clock. */
  readonly updatedAt: Date | undefined
}

export interface GcsPage {
  readonly objects: readonly GcsObject[]
  readonly nextPageToken: string | undefined
}

export interface GcsRead {
  readonly range?: { readonly offset: number; readonly length: number } | undefined
  /** As in `HttpRequest`. */
  readonly into?: Buffer | undefined
  readonly onHead?: ((head: HttpHead) => void) | undefined
  readonly limitBytes: number
  readonly signal?: AbortSignal | undefined
}

export interface GcsWrite {
  /** Fails with 412 where there is one of that name. */
  readonly ifAbsent: boolean
  readonly signal?: AbortSignal | undefined
}

const object = z.object({
  name: z.string(),
  // Numbers of 64 bits are text in this API.
  size: z.string().regex(/^\d{1,15}$/),
  updated: z.iso.datetime({ offset: true }).optional(),
})
const stored = object.extend({ md5Hash: z.string().optional(), generation: z.string().regex(/^\d+$/).optional() })
const page = z.object({ items: z.array(object).default([]), nextPageToken: z.string().min(1).optional() })

/**
 * Objects of one bucket by Google's JSON API. Rejects with `GcsFailure` for what the server refused, with `HttpFailure` for
 * what broke on the way, with `AppError` for credentials and interrupts.
 *
 * @see https://cloud.google.com/storage/docs/json_api/v1
 */
export class GcsClient {
  readonly #options: GcsClientOptions
  readonly #objects: string

  constructor(options: GcsClientOptions) {
    this.#options = options
    this.#objects = `/storage/v1/b/${encodeURIComponent(options.bucket)}/o`
  }

  /** In one request with its hash, which the server checks; what it says that it stored is checked again here. */
  async put(name: string, parts: readonly Uint8Array[], { ifAbsent, signal }: GcsWrite): Promise<void> {
    const md5 = createHash('md5')
    for (const part of parts) md5.update(part)
    const md5Hash = md5.digest('base64')
    const boundary = randomBytes(16).toString('hex')
    const head =
      `--${boundary}\r\ncontent-type: application/json; charset=utf-8\r\n\r\n${JSON.stringify({ name, md5Hash })}\r\n` +
      `--${boundary}\r\ncontent-type: application/octet-stream\r\n\r\n`
    const answer = await this.#send({
      method: 'POST',
      path: `/upload${this.#objects}?${query({ uploadType: 'multipart', ...(ifAbsent ? { ifGenerationMatch: '0' } : {}) })}`,
      headers: { 'content-type': `multipart/related; boundary=${boundary}` },
      body: [Buffer.from(head), ...parts, Buffer.from(`\r\n--${boundary}--\r\n`)],
      signal,
    })
    const { md5Hash: found, size, generation } = parsed(stored, answer)
    const sizeBytes = parts.reduce((sum, part) => sum + part.length, 0)
    if (Number(size) === sizeBytes && (found === undefined || found === md5Hash)) return
    // It must not be taken for what was to be stored when this is tried again.
    if (generation !== undefined) await this.#delete(name, { generation }, signal).catch(() => undefined)
    throw new HttpFailure('malformed', 'the server stored something else than was sent')
  }

  async get(name: string, { range, into, onHead, limitBytes, signal }: GcsRead): Promise<HttpAnswer> {
    const headers = range && { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }
    const path = `${this.#objects}/${encodeURIComponent(name)}?alt=media`
    return await this.#send({ method: 'GET', path, headers, into, onHead, limitBytes, signal })
  }

  async find(name: string, signal?: AbortSignal): Promise<GcsObject> {
    const path = `${this.#objects}/${encodeURIComponent(name)}?fields=name,size,updated`
    return objectOf(parsed(object, await this.#send({ method: 'GET', path, signal })))
  }

  async remove(name: string, signal?: AbortSignal): Promise<void> {
    await this.#delete(name, {}, signal)
  }

  async list(prefix: string, pageToken: string | undefined, signal?: AbortSignal): Promise<GcsPage> {
    const fields = 'items(name,size,updated),nextPageToken'
    const asked = { prefix, fields, maxResults: '1000', ...(pageToken === undefined ? {} : { pageToken }) }
    const { items, nextPageToken } = parsed(
      page,
      await this.#send({ method: 'GET', path: `${this.#objects}?${query(asked)}`, signal }),
    )
    return { objects: items.map(objectOf), nextPageToken }
  }

  close(): void {
    this.#options.http.close()
  }

  async #delete(name: string, asked: Readonly<Record<string, string>>, signal: AbortSignal | undefined): Promise<void> {
    const path = `${this.#objects}/${encodeURIComponent(name)}?${query(asked)}`
    await this.#send({ method: 'DELETE', path, signal, repeatable: true })
  }

  /** A token that is not taken any more is asked for once more: clocks differ, and keys are changed. */
  async #send(request: Omit<HttpRequest, 'origin'>): Promise<HttpAnswer> {
    const { origin, http, tokens, clock } = this.#options
    for (let isFirst = true; ; isFirst = false) {
      const token = await tokens?.get()
      const authorization: Record<string, string> = token ? { authorization: `Bearer ${token.value.reveal()}` } : {}
      const answer = await http.request({ ...request, origin, headers: { ...request.headers, ...authorization } })
      if (answer.status >= 200 && answer.status < 300) return answer
      if (answer.status === 401 && isFirst && tokens?.renew() === true) continue
      throw failureOf(answer, clock.now())
    }
  }
}

function objectOf({ name, size, updated }: z.infer<typeof object>): GcsObject {
  return { name, sizeBytes: Number(size), updatedAt: updated === undefined ? undefined : new Date(updated) }
}

function parsed<T>(schema: z.ZodType<T>, { body }: HttpAnswer): T {
  try {
    return schema.parse(JSON.parse(body.toString('utf8')))
  } catch (error) {
    throw new HttpFailure('malformed', 'the answer is not what this API gives', error)
  }
}

const query = (values: Readonly<Record<string, string>>): string => new URLSearchParams(values).toString()
