import { z } from 'zod'
import type { HttpAnswer, HttpRequest, ServerClock } from '../http/index.ts'
import type { BucketLocks, CallOptions, Destruction, ObjectLock, ObjectLocks } from '../objects/object-client.ts'
import { GcsFailure, isAbsent } from './failure.ts'
import { parsed } from './parsed.ts'

export interface GcsLocksOptions {
  readonly bucket: string
  readonly send: (request: Omit<HttpRequest, 'origin'>) => Promise<HttpAnswer>
  readonly clock: ServerClock
}

const retained = z.object({ retention: z.object({ retainUntilTime: z.iso.datetime({ offset: true }) }).optional() })
const stored = z.object({ generation: z.string().regex(/^\d+$/) })
const bucketFacts = z.object({
  versioning: z.object({ enabled: z.boolean() }).optional(),
  objectRetention: z.object({ mode: z.string() }).optional(),
})

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' }

/**
 * Retention of single objects, for which the bucket must be made ready once.
 *
 * @see https://cloud.google.com/storage/docs/object-lock
 */
export class GcsLocks implements ObjectLocks {
  readonly #options: GcsLocksOptions
  readonly #bucket: string

  constructor(options: GcsLocksOptions) {
    this.#options = options
    this.#bucket = encodeURIComponent(options.bucket)
  }

  now(): Date {
    return this.#options.clock.now()
  }

  async findUntil(key: string, { signal }: CallOptions = {}): Promise<Date | undefined> {
    try {
      const path = `${this.#pathOf(key)}?fields=retention`
      const { retention } = parsed(retained, await this.#options.send({ method: 'GET', path, signal }))
      return retention && new Date(retention.retainUntilTime)
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    }
  }

  async extend(key: string, lock: ObjectLock, { signal }: CallOptions = {}): Promise<void> {
    await this.#options.send(this.#patch(key, { fields: 'name' }, retentionOf(lock), signal))
  }

  async readBucket({ signal }: CallOptions = {}): Promise<BucketLocks> {
    try {
      const path = `/storage/v1/b/${this.#bucket}?fields=versioning,objectRetention`
      const facts = parsed(bucketFacts, await this.#options.send({ method: 'GET', path, signal }))
      return {
        keepsVersions: facts.versioning?.enabled ?? false,
        locksObjects: facts.objectRetention?.mode === 'Enabled',
      }
    } catch (error) {
      if (error instanceof GcsFailure && error.status === 403) {
        return { keepsVersions: undefined, locksObjects: undefined }
      }
      throw error
    }
  }

  async tryToDestroy(key: string, lock: ObjectLock | undefined, { signal }: CallOptions = {}): Promise<Destruction> {
    const generation = await this.#storeEmpty(key, lock, signal)
    const destroy = (): Promise<boolean> =>
      this.#isDone({ method: 'DELETE', path: `${this.#pathOf(key)}?generation=${generation}`, signal })
    if (await destroy()) return 'destroyed'
    const isEnded =
      lock?.mode === 'governance' &&
      (await this.#isDone(this.#patch(key, { overrideUnlockedRetention: 'true', generation }, null, signal)))
    if (isEnded && (await destroy())) return 'ended'
    await this.#isDone({ method: 'DELETE', path: this.#pathOf(key), signal })
    return 'refused'
  }

  async #storeEmpty(key: string, lock: ObjectLock | undefined, signal: AbortSignal | undefined): Promise<string> {
    const boundary = 'empty'
    const metadata = JSON.stringify({ name: key, ...(lock && { retention: retentionOf(lock) }) })
    const body = `--${boundary}\r\n${JSON_TYPE_LINE}\r\n\r\n${metadata}\r\n--${boundary}\r\ncontent-type: application/octet-stream\r\n\r\n\r\n--${boundary}--\r\n`
    const answer = await this.#options.send({
      method: 'POST',
      path: `/upload/storage/v1/b/${this.#bucket}/o?uploadType=multipart`,
      headers: { 'content-type': `multipart/related; boundary=${boundary}` },
      body: [Buffer.from(body)],
      signal,
    })
    return parsed(stored, answer).generation
  }

  #patch(key: string, asked: Readonly<Record<string, string>>, retention: object | null, signal?: AbortSignal) {
    return {
      method: 'PATCH',
      path: `${this.#pathOf(key)}?${new URLSearchParams(asked).toString()}`,
      headers: JSON_TYPE,
      body: [Buffer.from(JSON.stringify({ retention }))],
      repeatable: true,
      signal,
    } as const
  }

  #pathOf(key: string): string {
    return `/storage/v1/b/${this.#bucket}/o/${encodeURIComponent(key)}`
  }

  /** Was the call not refused? */
  async #isDone(request: Omit<HttpRequest, 'origin'>): Promise<boolean> {
    try {
      await this.#options.send(request)
      return true
    } catch (error) {
      if (!(error instanceof GcsFailure) || error.status < 400 || error.status >= 500 || error.status === 429)
        throw error
      return error.status === 404
    }
  }
}

const JSON_TYPE_LINE = `content-type: ${JSON_TYPE['content-type']}`

export const retentionOf = ({ mode, until }: ObjectLock) => ({
  mode: mode === 'compliance' ? 'Locked' : 'Unlocked',
  retainUntilTime: until.toISOString(),
})
