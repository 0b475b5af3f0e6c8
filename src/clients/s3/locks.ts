import { createHash } from 'node:crypto'
import type { HttpAnswer, ServerClock } from '../http/index.ts'
import { HttpFailure } from '../http/index.ts'
import type { BucketLocks, CallOptions, Destruction, ObjectLock, ObjectLocks } from '../objects/object-client.ts'
import { parseXml, textOf, type XmlElement } from '../xml/xml.ts'
import type { S3Call } from './call.ts'
import { S3Failure } from './failure.ts'

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'

/** An object, a bucket, or what the bucket is to do by default has no lock; each service has its own word. */
const NO_LOCK = new Set(['NoSuchObjectLockConfiguration', 'ObjectLockConfigurationNotFoundError', 'NoSuchKey'])

/** Of objects: their locks by S3's Object Lock. */
export class S3Locks implements ObjectLocks {
  readonly #call: (call: S3Call) => Promise<HttpAnswer>
  readonly #clock: ServerClock

  constructor(call: (call: S3Call) => Promise<HttpAnswer>, clock: ServerClock) {
    this.#call = call
    this.#clock = clock
  }

  now(): Date {
    return this.#clock.now()
  }

  /** Asked for by itself: the answer to HEAD leaves the lock out where the key may not see it. */
  async findUntil(key: string, { signal }: CallOptions = {}): Promise<Date | undefined> {
    try {
      const { body } = await this.#call({ method: 'GET', key, query: [['retention', '']], signal })
      return dateOf(textOf(rootOf(body), 'RetainUntilDate'))
    } catch (error) {
      if (error instanceof S3Failure && isWithoutLock(error)) return undefined
      throw error
    }
  }

  async extend(key: string, { mode, until }: ObjectLock, { signal }: CallOptions = {}): Promise<void> {
    const body = [
      Buffer.from(
        `<Retention xmlns="${NAMESPACE}"><Mode>${modeOf(mode)}</Mode><RetainUntilDate>${isoSeconds(until)}</RetainUntilDate></Retention>`,
      ),
    ]
    await this.#call({
      method: 'PUT',
      key,
      query: [['retention', '']],
      body,
      headers: { 'content-md5': md5Of(body) },
      repeatable: true,
      signal,
    })
  }

  async readBucket({ signal }: CallOptions = {}): Promise<BucketLocks> {
    return {
      keepsVersions: await this.#ask('versioning', root => textOf(root, 'Status') === 'Enabled', signal),
      locksObjects: await this.#ask('object-lock', root => textOf(root, 'ObjectLockEnabled') === 'Enabled', signal),
    }
  }

  async tryToDestroy(key: string, lock: ObjectLock | undefined, { signal }: CallOptions = {}): Promise<Destruction> {
    const headers = lock && lockHeaders(lock, [])
    const { headers: stored } = await this.#call({ method: 'PUT', key, body: [], ...(headers && { headers }), signal })
    const version = stored['x-amz-version-id']
    const query = typeof version === 'string' && version !== 'null' ? [['versionId', version] as const] : []
    const destroy = (bypass: boolean): Promise<boolean> =>
      this.#isDone({
        method: 'DELETE',
        key,
        query,
        ...(bypass ? { headers: { 'x-amz-bypass-governance-retention': 'true' } } : {}),
        signal,
      })
    if (await destroy(false)) return 'destroyed'
    if (lock?.mode === 'governance' && (await destroy(true))) return 'ended'
    await this.#isDone({ method: 'DELETE', key, signal })
    return 'refused'
  }

  /** Was the call not refused? */
  async #isDone(call: S3Call): Promise<boolean> {
    try {
      await this.#call(call)
      return true
    } catch (error) {
      if (!(error instanceof S3Failure) || error.status < 400 || error.status >= 500 || error.status === 429)
        throw error
      return error.status === 404
    }
  }

  async #ask(
    question: string,
    read: (root: XmlElement) => boolean,
    signal: AbortSignal | undefined,
  ): Promise<boolean | undefined> {
    try {
      const { body } = await this.#call({ method: 'GET', key: '', query: [[question, '']], signal })
      return read(rootOf(body))
    } catch (error) {
      if (!(error instanceof S3Failure) || error.status >= 500 !== (error.status === 501)) throw error
      return isWithoutLock(error) ? false : undefined
    }
  }
}

/** What a PUT says for its object to be locked. AWS wants a checksum of its own list with it. */
export function lockHeaders({ mode, until }: ObjectLock, body: readonly Uint8Array[]): Record<string, string> {
  return {
    'x-amz-object-lock-mode': modeOf(mode),
    'x-amz-object-lock-retain-until-date': isoSeconds(until),
    'content-md5': md5Of(body),
  }
}

/** A service without such locks says it in several ways; what was removed is asked for in vain (405). */
function isWithoutLock({ status, code, message }: S3Failure): boolean {
  return NO_LOCK.has(code) || status === 501 || status === 405 || (status === 400 && /object ?lock/i.test(message))
}

const modeOf = (mode: ObjectLock['mode']): string => mode.toUpperCase()

const isoSeconds = (date: Date): string => date.toISOString().replace(/\.\d+Z$/, 'Z')

function md5Of(parts: readonly Uint8Array[]): string {
  const hash = createHash('md5')
  for (const part of parts) hash.update(part)
  return hash.digest('base64')
}

function rootOf(body: Buffer): XmlElement {
  try {
    return parseXml(body.toString('utf8'))
  } catch (error) {
    throw new HttpFailure('malformed', 'the answer is not what this API gives', error)
  }
}

function dateOf(text: string | undefined): Date | undefined {
  const at = Date.parse(text ?? '')
  return Number.isNaN(at) ? undefined : new Date(at)
}
