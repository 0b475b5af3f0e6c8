import type { HttpAnswer, ServerClock } from '../http/index.ts'
import type { BucketLocks, CallOptions, Destruction, ObjectLock, ObjectLocks } from '../objects/object-client.ts'
import type { AzureCall } from './call.ts'
import { AzureFailure, isAbsent } from './failure.ts'

const POLICIES = [['comp', 'immutabilityPolicies']] as const

/**
 * Policies of immutability, one a version of a blob. They need a container with immutable versions.
 *
 * @see https://learn.microsoft.com/en-us/azure/storage/blobs/immutable-version-level-worm-policies
 */
export class AzureLocks implements ObjectLocks {
  readonly #call: (call: AzureCall) => Promise<HttpAnswer>
  readonly #clock: ServerClock

  constructor(call: (call: AzureCall) => Promise<HttpAnswer>, clock: ServerClock) {
    this.#call = call
    this.#clock = clock
  }

  now(): Date {
    return this.#clock.now()
  }

  async findUntil(key: string, { signal }: CallOptions = {}): Promise<Date | undefined> {
    try {
      const { headers } = await this.#call({ method: 'HEAD', key, signal })
      const until = Date.parse(String(headers['x-ms-immutability-policy-until-date'] ?? ''))
      return Number.isNaN(until) ? undefined : new Date(until)
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    }
  }

  async extend(key: string, lock: ObjectLock, { signal }: CallOptions = {}): Promise<void> {
    await this.#call({
      method: 'PUT',
      key,
      query: POLICIES,
      headers: lockHeaders(lock),
      body: [],
      repeatable: true,
      signal,
    })
  }

  async readBucket({ signal }: CallOptions = {}): Promise<BucketLocks> {
    try {
      const { headers } = await this.#call({ method: 'HEAD', key: '', query: [['restype', 'container']], signal })
      const said = headers['x-ms-immutable-storage-with-versioning-enabled']
      const isEnabled = said === undefined ? undefined : said === 'true'
      // Immutable versions are versions. Without them it is the account that keeps some or not, and it is not asked here.
      return { keepsVersions: isEnabled || undefined, locksObjects: isEnabled }
    } catch (error) {
      if (error instanceof AzureFailure && error.status === 403) {
        return { keepsVersions: undefined, locksObjects: undefined }
      }
      throw error
    }
  }

  async tryToDestroy(key: string, lock: ObjectLock | undefined, { signal }: CallOptions = {}): Promise<Destruction> {
    const { headers } = await this.#call({
      method: 'PUT',
      key,
      body: [],
      headers: { ...(lock && lockHeaders(lock)), 'x-ms-blob-type': 'BlockBlob' },
      signal,
    })
    const version = headers['x-ms-version-id']
    const isHidden = await this.#isDone({ method: 'DELETE', key, signal })
    if (typeof version !== 'string') return isHidden ? 'destroyed' : 'refused'
    const ofVersion = [['versionid', version]] as const
    const destroy = (): Promise<boolean> => this.#isDone({ method: 'DELETE', key, query: ofVersion, signal })
    if (await destroy()) return 'destroyed'
    const mayEnd = lock?.mode === 'governance'
    const isEnded =
      mayEnd && (await this.#isDone({ method: 'DELETE', key, query: [...POLICIES, ...ofVersion], signal }))
    return isEnded && (await destroy()) ? 'ended' : 'refused'
  }

  /** Was the call not refused? */
  async #isDone(call: AzureCall): Promise<boolean> {
    try {
      await this.#call(call)
      return true
    } catch (error) {
      if (!(error instanceof AzureFailure) || error.status < 400 || error.status >= 500 || error.status === 429)
        throw error
      return error.status === 404
    }
  }
}

/** @see https://learn.microsoft.com/en-us/rest/api/storageservices/set-blob-immutability-policy */
export function lockHeaders({ mode, until }: ObjectLock): Record<string, string> {
  return {
    'x-ms-immutability-policy-until-date': until.toUTCString(),
    'x-ms-immutability-policy-mode': mode === 'compliance' ? 'Locked' : 'Unlocked',
  }
}
