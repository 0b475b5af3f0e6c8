import { createHash } from 'node:crypto'
import type { HttpAnswer, ServerClock } from '../http/index.ts'
import { HttpFailure } from '../http/index.ts'
import type { CallOptions, ObjectLock, ObjectLocks } from '../objects/object-client.ts'
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
