import type { Clock } from '../base/clock.ts'
import { Semaphore } from '../base/concurrency.ts'
import { throwIfAborted } from '../base/errors.ts'
import { contentLength, type HttpAnswer, type HttpRequest } from '../clients/http/index.ts'
import { assertKey, assertPrefix } from './keys.ts'
import { cutOut, requireRange, requireWhole } from './ranged-answer.ts'
import { RestRefusal } from './rest-errors.ts'
import { filesIn } from './rest-listing.ts'
import type { LoadOptions, SaveOptions, Storage, StorageCallOptions, StorageTraits, StoredObject } from './storage.ts'
import { type FailedCall, storageError } from './storage-error.ts'

/** Servers take only files of a restic repository, and most of them let none be replaced. */
export const REST_TRAITS: Omit<StorageTraits, 'kind'> = {
  keys: 'restic',
  overwrites: false,
  isFar: true,
  concurrency: 8,
  saves: 4,
  packBytes: 16 * 1024 * 1024,
  retryMs: 15 * 60_000,
}

const VERSION_2 = 'application/vnd.x.restic.rest.v2'
const FOLDERS = ['data/', 'index/', 'keys/', 'locks/', 'snapshots/']
/** More than any file of a repository has. */
const LONGEST_OBJECT = 2 * 1024 * 1024 * 1024
/** A list comes in one piece, about 100 bytes a file. */
const LONGEST_LIST = 512 * 1024 * 1024

/** What carries requests there and answers back. */
export interface RestClient {
  request(request: HttpRequest): Promise<HttpAnswer>
  close(): void | Promise<void>
}

export interface RestStorageInit {
  readonly http: RestClient
  readonly origin: string
  /** Begins and ends with a slash. */
  readonly path: string
  readonly location: string
  readonly traits: Omit<StorageTraits, 'kind'>
  readonly authorization: string | undefined
  readonly clock: Pick<Clock, 'now'>
  readonly kind: string
  /** What a call threw, in the words of all storages, or a promise of that. Errors of ours, as of an interrupt, stay. */
  readonly wrap: (call: FailedCall, error: unknown) => unknown
}

/**
 * Files on a server for restic, by version 2 of its protocol.
 * @see https://restic.readthedocs.io/en/stable/REST_backend.html
 */
export class RestStorage implements Storage {
  readonly location: string
  readonly traits: StorageTraits
  readonly #init: RestStorageInit
  /** No server says which of two that save it at once was first. */
  readonly #oneConfig = new Semaphore(1)

  constructor(init: RestStorageInit) {
    this.#init = init
    this.location = init.location
    this.traits = { ...init.traits, kind: init.kind }
  }

  async *list(prefix: string, options: StorageCallOptions = {}): AsyncIterable<StoredObject> {
    assertPrefix(prefix)
    if (prefix === '') {
      const config = await this.find('config', options)
      if (config) yield config
    }
    for (const folder of FOLDERS) {
      if (!folder.startsWith(prefix) && !prefix.startsWith(folder)) continue
      for (const object of await this.#listFolder(folder, prefix, options)) yield object
    }
  }

  async *listKeys(prefix: string, options: StorageCallOptions = {}): AsyncIterable<string> {
    for await (const { key } of this.list(prefix, options)) yield key
  }

  async find(key: string, options: StorageCallOptions = {}): Promise<StoredObject | undefined> {
    return await this.#call('look for', key, options, async () => {
      const answer = await this.#ask({ method: 'HEAD', path: pathOf(key), signal: options.signal }, [404])
      if (answer.status === 404) return undefined
      const modifiedAt = new Date(answer.headers['last-modified'] ?? Number.NaN)
      return {
        key,
        sizeBytes: contentLength(answer.headers) ?? 0,
        ...(Number.isNaN(modifiedAt.getTime()) ? {} : { modifiedAt }),
      }
    })
  }

  async load(key: string, { range, into, signal }: LoadOptions = {}): Promise<Buffer> {
    return await this.#call('read', key, { signal }, async () => {
      if (range?.length === 0) return await this.#loadNothing(key, range.offset, signal)
      const answer = await this.#ask({
        method: 'GET',
        path: pathOf(key),
        headers: range ? { range: `bytes=${range.offset}-${range.offset + range.length - 1}` } : {},
        into,
        limitBytes: LONGEST_OBJECT,
        onHead: head => {
          if (head.status >= 300) return
          if (range) requireRange(head, range)
          else requireWhole(head)
        },
        signal,
      })
      return range ? cutOut(answer, range) : answer.body
    })
  }

  async save(key: string, content: Uint8Array | readonly Uint8Array[], options: SaveOptions = {}): Promise<void> {
    const body = content instanceof Uint8Array ? [content] : content
    await this.#call('write', key, options, async () => {
      // All other names are hashes: what is there under one is the same.
      if (key === 'config') await this.#oneConfig.run(() => this.#saveConfig(body, options))
      else await this.#post(key, body, options)
    })
  }

  async remove(key: string, options: StorageCallOptions = {}): Promise<void> {
    await this.#call('remove', key, options, async () => {
      await this.#ask({ method: 'DELETE', path: pathOf(key), repeatable: true, signal: options.signal }, [404])
    })
  }

  async freeBytes(): Promise<number | undefined> {
    return undefined
  }

  async close(): Promise<void> {
    await this.#init.http.close()
  }

  async #saveConfig(body: readonly Uint8Array[], options: SaveOptions): Promise<void> {
    if (await this.find('config', options)) throw this.#exists('config')
    await this.#post('config', body, options)
  }

  async #post(key: string, body: readonly Uint8Array[], options: SaveOptions): Promise<void> {
    const post = async (): Promise<void> => {
      const headers = { 'content-type': 'application/octet-stream' }
      await this.#ask({ method: 'POST', path: pathOf(key), headers, body, signal: options.signal })
    }
    try {
      await post()
    } catch (error) {
      if (!(error instanceof RestRefusal)) throw error
      if (error.status === 403 && (await this.find(key, options))) throw this.#exists(key)
      if (error.status !== 404) throw error
      // Some servers make the folders of a repository only when they are asked to.
      await this.#ask({ method: 'POST', path: '?create=true', body: [], signal: options.signal })
      await post()
    }
  }

  #exists(key: string): Error {
    return storageError('storage-exists', { verb: 'write', key, location: this.location })
  }

  async #listFolder(folder: string, prefix: string, { signal }: StorageCallOptions): Promise<StoredObject[]> {
    try {
      throwIfAborted(signal)
      const answer = await this.#ask({ method: 'GET', path: folder, limitBytes: LONGEST_LIST, signal }, [404])
      if (answer.status === 404) {
        // This server lists what is missing as nothing, and means a failure of its own.
        if (String(answer.headers['server']).startsWith('rclone/'))
          throw new RestRefusal({ ...answer, status: 500 }, this.#now)
        return []
      }
      if (answer.headers['content-type'] !== VERSION_2) throw this.#tooOld(folder)
      const objects = filesIn(answer.body).map(({ name, size }) => ({ key: keyOf(folder, name), sizeBytes: size }))
      return objects.filter(({ key }) => key.startsWith(prefix))
    } catch (error) {
      throw await this.#init.wrap({ verb: 'list', key: prefix, location: this.location }, error)
    }
  }

  #tooOld(folder: string): Error {
    const call = { verb: 'list', key: folder, location: this.location } as const
    const reason = 'the server does not speak version 2 of the protocol'
    return storageError('storage-denied', call, { reason, hint: 'Use a newer version of that server.' })
  }

  /** No request asks for no bytes. */
  async #loadNothing(key: string, offset: number, signal: AbortSignal | undefined): Promise<Buffer> {
    const found = await this.find(key, { signal })
    const call = { verb: 'read', key, location: this.location } as const
    if (!found) throw storageError('storage-not-found', call)
    if (found.sizeBytes < offset) throw storageError('storage-too-short', call)
    return Buffer.alloc(0)
  }

  get #now(): Date {
    return this.#init.clock.now()
  }

  /** @param path below the repository's own */
  async #ask(request: Omit<HttpRequest, 'origin'>, taken: readonly number[] = []): Promise<HttpAnswer> {
    const { http, origin, path, authorization } = this.#init
    const answer = await http.request({
      ...request,
      origin,
      path: path + request.path,
      headers: { ...request.headers, accept: VERSION_2, ...(authorization === undefined ? {} : { authorization }) },
    })
    const isSuccess = answer.status >= 200 && answer.status < 300
    if (!isSuccess && !taken.includes(answer.status)) throw new RestRefusal(answer, this.#now)
    return answer
  }

  async #call<T>(
    verb: FailedCall['verb'],
    key: string,
    options: StorageCallOptions,
    work: () => Promise<T>,
  ): Promise<T> {
    assertKey(key, 'restic')
    throwIfAborted(options.signal)
    try {
      return await work()
    } catch (error) {
      throw await this.#init.wrap({ verb, key, location: this.location }, error)
    }
  }
}

/** Packs are not in folders of two digits here. */
function pathOf(key: string): string {
  return key.replace(/^data\/[0-9a-f]{2}\//, 'data/')
}

function keyOf(folder: string, name: string): string {
  return folder === 'data/' ? `data/${name.slice(0, 2)}/${name}` : folder + name
}
