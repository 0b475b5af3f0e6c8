import type { Clock } from '../../base/clock.ts'
import { throwIfAborted } from '../../base/errors.ts'
import { failureInside, type S3Client } from '../../clients/s3/index.ts'
import { assertKey, assertPrefix, isKey } from '../keys.ts'
import type { LoadOptions, SaveOptions, Storage, StorageCallOptions, StorageTraits, StoredObject } from '../storage.ts'
import { type FailedCall, storageError } from '../storage-error.ts'
import { isNotImplemented, s3Error } from './errors.ts'
import type { S3Options } from './options.ts'
import { cutOut, EndsBefore, type Range, requireRange, requireWhole } from './range.ts'
import type { S3Place } from './url.ts'

/** Each call is a round trip, most are billed: long packs. Two of them on their way fill a line; each more costs memory. */
export const S3_TRAITS: StorageTraits = {
  kind: 's3',
  keys: 'any',
  overwrites: true,
  concurrency: 8,
  saves: 2,
  packBytes: 16 * 1024 * 1024,
  retryMs: 15 * 60_000,
}

/** More than any pack or log segment is. */
const LONGEST_OBJECT = 2 * 1024 * 1024 * 1024

export interface S3StorageInit {
  readonly client: S3Client
  readonly place: Pick<S3Place, 'prefix'>
  readonly location: string
  readonly options: Pick<S3Options, 'storageClass' | 'encryption'>
  readonly clock: Pick<Clock, 'now'>
  /** Ends the connections. */
  readonly close: () => void
}

/** Objects lie in the bucket as restic lays them: `FOLDER/data/3f/3f2a...`. */
export class S3Storage implements Storage {
  readonly location: string
  readonly traits = S3_TRAITS
  readonly #init: S3StorageInit
  /** Until the service says that it is not. */
  #isConditionKnown = true

  constructor(init: S3StorageInit) {
    this.#init = init
    this.location = init.location
  }

  async *list(prefix: string, options: StorageCallOptions = {}): AsyncIterable<StoredObject> {
    assertPrefix(prefix)
    throwIfAborted(options.signal)
    const own = this.#init.place.prefix
    try {
      for await (const { key, sizeBytes } of this.#init.client.list(own + prefix, options)) {
        const name = key.slice(own.length)
        if (isKey(name)) yield { key: name, sizeBytes }
      }
    } catch (error) {
      throw s3Error({ verb: 'list', key: prefix, location: this.location }, error)
    }
  }

  async *listKeys(prefix: string, options: StorageCallOptions = {}): AsyncIterable<string> {
    for await (const { key } of this.list(prefix, options)) yield key
  }

  async find(key: string, options: StorageCallOptions = {}): Promise<StoredObject | undefined> {
    const found = await this.#call('look for', key, options, () => this.#init.client.head(this.#pathOf(key), options))
    if (!found) return undefined
    const { sizeBytes, modifiedAt } = found
    return { key, sizeBytes, ...(modifiedAt === undefined ? {} : { modifiedAt }) }
  }

  async load(key: string, options: LoadOptions = {}): Promise<Buffer> {
    return await this.#call('read', key, options, async () => {
      const { range } = options
      if (range?.length === 0) return await this.#loadNothing(key, range, options)
      const answer = await this.#init.client.get(this.#pathOf(key), {
        ...options,
        limitBytes: LONGEST_OBJECT,
        onHead: head => (range ? requireRange(head, range) : requireWhole(head)),
      })
      // What a repository stores is never XML.
      const failure = failureInside(answer, this.#init.clock.now())
      if (failure) throw failure
      return range ? cutOut(answer, range) : answer.body
    })
  }

  async save(key: string, content: Uint8Array | readonly Uint8Array[], options: SaveOptions = {}): Promise<void> {
    const parts = content instanceof Uint8Array ? [content] : content
    const { sha256, signal, ifAbsent = false } = options
    const put = (isConditional: boolean): Promise<void> =>
      this.#init.client.put(this.#pathOf(key), parts, {
        sha256,
        signal,
        ifAbsent: isConditional,
        headers: this.#headersFor(key),
      })
    await this.#call('write', key, options, async () => {
      if (ifAbsent && this.#isConditionKnown) {
        try {
          return await put(true)
        } catch (error) {
          if (!isNotImplemented(error)) throw error
          this.#isConditionKnown = false
        }
      }
      if (ifAbsent && (await this.#init.client.head(this.#pathOf(key), options))) {
        throw storageError('storage-exists', { verb: 'write', key, location: this.location })
      }
      await put(false)
    })
  }

  async remove(key: string, options: StorageCallOptions = {}): Promise<void> {
    await this.#call('remove', key, options, () => this.#init.client.remove(this.#pathOf(key), options))
  }

  async freeBytes(): Promise<number | undefined> {
    return undefined
  }

  async close(): Promise<void> {
    this.#init.close()
  }

  /** No request asks for no bytes. */
  async #loadNothing(key: string, { offset }: Range, options: StorageCallOptions): Promise<Buffer> {
    const found = await this.#init.client.head(this.#pathOf(key), options)
    const call = { verb: 'read', key, location: this.location } as const
    if (!found) throw storageError('storage-not-found', call)
    if (found.sizeBytes < offset) throw storageError('storage-too-short', call)
    return Buffer.alloc(0)
  }

  #pathOf(key: string): string {
    return this.#init.place.prefix + key
  }

  #headersFor(key: string): Record<string, string> {
    const { storageClass, encryption } = this.#init.options
    const headers: Record<string, string> = {}
    // Packs are most of the bytes. What is small and read each time costs more in the other classes.
    if (storageClass !== undefined && key.startsWith('data/')) headers['x-amz-storage-class'] = storageClass
    if (encryption === undefined) return headers
    if (encryption === 'AES256') return { ...headers, 'x-amz-server-side-encryption': 'AES256' }
    return {
      ...headers,
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': encryption.kmsKeyId,
    }
  }

  async #call<T>(
    verb: FailedCall['verb'],
    key: string,
    options: StorageCallOptions,
    work: () => Promise<T>,
  ): Promise<T> {
    assertKey(key)
    throwIfAborted(options.signal)
    const call = { verb, key, location: this.location }
    try {
      return await work()
    } catch (error) {
      throw error instanceof EndsBefore ? storageError('storage-too-short', call) : s3Error(call, error)
    }
  }
}
