import { expect, test } from 'vitest'
import { testStorageContract } from '../../test/contracts/storage-contract.ts'
import { MemoryStorage } from '../../test/helpers/memory-storage.ts'
import { createLogger, silentLogger } from '../base/logger.ts'
import { RetryingStorage, StorageHealth } from './retrying-storage.ts'
import type { LoadOptions, SaveOptions, StorageCallOptions, StoredObject } from './storage.ts'
import { type StorageErrorCode, storageError } from './storage-error.ts'

const MINUTE = 60_000

/** Sleeps pass at once, and are remembered. */
class SleeplessClock {
  readonly slept: number[] = []
  #now = 0

  now(): Date {
    return new Date(this.#now)
  }

  monotonicMs(): number {
    return this.#now
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return
    this.slept.push(ms)
    this.#now += ms
  }
}

/** A server with a list of answers: an error for the call, or undefined, which lets it pass. */
class MoodyServer extends MemoryStorage {
  answers: Array<Error | undefined> = []
  /** Saves are carried out although their answer is an error. */
  losesAnswers = false
  readonly startedAtMs: number[] = []
  readonly #clock: SleeplessClock

  constructor(clock: SleeplessClock, traits: { readonly overwrites?: boolean; readonly retryMs?: number } = {}) {
    super('far:', () => clock.now(), { retryMs: 15 * MINUTE, ...traits })
    this.#clock = clock
  }

  override async *list(prefix: string, options?: StorageCallOptions): AsyncIterable<StoredObject> {
    for await (const object of super.list(prefix, options)) {
      this.#answer()
      yield object
    }
  }

  override async load(key: string, options?: LoadOptions): Promise<Buffer> {
    this.#answer()
    return await super.load(key, options)
  }

  override async save(key: string, content: Uint8Array, options?: SaveOptions): Promise<void> {
    if (this.losesAnswers) await super.save(key, content, options)
    this.#answer()
    if (!this.losesAnswers) await super.save(key, content, options)
  }

  #answer(): void {
    this.startedAtMs.push(this.#clock.monotonicMs())
    const answer = this.answers.shift()
    if (answer) throw answer
  }
}

const failed = (code: StorageErrorCode, retryAfterMs?: number): Error =>
  storageError(code, { verb: 'read', key: 'config', location: 'far:' }, { retryAfterMs })

function connect(traits: { readonly overwrites?: boolean; readonly retryMs?: number } = {}) {
  const clock = new SleeplessClock()
  const server = new MoodyServer(clock, traits)
  const random = { bytes: (count: number): Buffer => Buffer.alloc(count, 255) }
  return { clock, server, storage: new RetryingStorage(server, { clock, random, logger: silentLogger }) }
}

testStorageContract('retrying', {
  open: async () => connect().storage,
  reopen: async storage => storage,
})

test('tries again with growing pauses what may succeed', async () => {
  const { clock, server, storage } = connect()
  await storage.save('config', Buffer.from('x'))
  server.answers = Array.from({ length: 10 }, () => failed('storage-failed'))
  expect((await storage.load('config')).toString()).toBe('x')
  const seconds = clock.slept.map(ms => Math.round(ms / 100) / 10)
  expect(seconds).toEqual([0.5, 1, 2, 4, 8, 16, 31.9, 59.9, 59.9, 59.9])
})

test('gives up after the time that the storage asks for, with the last error', async () => {
  const { clock, server, storage } = connect({ retryMs: 3 * MINUTE })
  server.answers = Array.from({ length: 1000 }, () => failed('storage-failed'))
  await expect(storage.load('config')).rejects.toMatchObject({ code: 'storage-failed' })
  expect(clock.monotonicMs()).toBeGreaterThan(2 * MINUTE)
  expect(clock.monotonicMs()).toBeLessThanOrEqual(3 * MINUTE)
})

test.each(['storage-not-found', 'storage-exists', 'storage-too-short', 'storage-full', 'storage-denied'] as const)(
  '%s is final at once',
  async code => {
    const { clock, server, storage } = connect()
    server.answers = [failed(code)]
    await expect(storage.load('config')).rejects.toMatchObject({ code })
    expect(clock.slept).toEqual([])
  },
)

test('an error that is not one of a storage is final, for it is a bug', async () => {
  const { server, storage } = connect()
  server.answers = [new TypeError('a bug')]
  await expect(storage.load('config')).rejects.toThrow(TypeError)
})

test('a busy server is left alone by all calls as long as it asks', async () => {
  const { clock, server, storage } = connect()
  await storage.save('config', Buffer.from('x'))
  server.startedAtMs.length = 0
  server.answers = [failed('storage-busy', 90_000)]
  const told = storage.load('config')
  await new Promise(resolve => setImmediate(resolve))
  await Promise.all([told, storage.load('config'), storage.load('config')])
  expect(server.startedAtMs.slice(1).every(ms => ms >= 90_000)).toBe(true)
  expect(server.startedAtMs).toHaveLength(4)
  expect(clock.slept[0]).toBe(90_000)
})

test.each([{ ifAbsent: true }, {}])('a save whose answer was lost is no conflict with itself %j', async options => {
  const { server, storage } = connect({ overwrites: false })
  server.losesAnswers = true
  server.answers = [failed('storage-failed')]
  await storage.save('config', Buffer.from('ours'), options)
  expect((await storage.load('config')).toString()).toBe('ours')
})

test('what another one stored meanwhile is a conflict', async () => {
  const { server, storage } = connect()
  await server.save('config', Buffer.from('theirs'))
  server.answers = [failed('storage-failed')]
  const saving = storage.save('config', Buffer.from('ours'), { ifAbsent: true })
  await expect(saving).rejects.toMatchObject({ code: 'storage-exists' })
  expect((await server.load('config')).toString()).toBe('theirs')
})

test('a listing that breaks off goes on, and gives each object once', async () => {
  const { server, storage } = connect({ retryMs: MINUTE })
  const keys = Array.from({ length: 30 }, (_, at) => `index/${at}`)
  for (const key of keys) await server.save(key, Buffer.from(key))
  // Far more than a minute of pauses, but it gets on between them.
  const breaksAfter = (objects: number): Array<Error | undefined> => [
    ...Array.from({ length: objects }, () => undefined),
    ...Array.from({ length: 5 }, () => failed('storage-failed')),
  ]
  server.answers = [...breaksAfter(3), ...breaksAfter(9), ...breaksAfter(17), ...breaksAfter(25)]
  const listed: string[] = []
  for await (const { key } of storage.list('index/')) listed.push(key)
  expect(listed).toEqual(keys)
})

test('a listing ends with the error that is final', async () => {
  const { server, storage } = connect()
  await server.save('config', Buffer.from('x'))
  server.answers = [failed('storage-denied')]
  const keys = storage.listKeys('')[Symbol.asyncIterator]()
  await expect(keys.next()).rejects.toMatchObject({ code: 'storage-denied' })
})

test('an interrupt ends the waiting', async () => {
  const { server, storage } = connect()
  const stop = new AbortController()
  server.answers = [failed('storage-failed')]
  const loading = storage.load('config', { signal: stop.signal })
  stop.abort()
  await expect(loading).rejects.toMatchObject({ code: 'interrupted' })
  expect(server.startedAtMs).toHaveLength(1)
})

test('says that it tries again, and why', async () => {
  const { clock, server } = connect()
  const lines: string[] = []
  const logger = createLogger('warn', (_, message) => lines.push(message))
  const storage = new RetryingStorage(server, { clock, random: { bytes: count => Buffer.alloc(count) }, logger })
  await server.save('config', Buffer.from('x'))
  server.answers = [failed('storage-failed')]
  await storage.load('config')
  expect(lines).toEqual(['trying again in 1 s: cannot read config from far:: the storage failed'])
})

test('an interrupt of the whole ends the waiting of calls that have no signal of their own', async () => {
  const { clock, server } = connect()
  const stop = new AbortController()
  const logger = { ...silentLogger, warn: () => stop.abort() }
  const random = { bytes: (count: number): Buffer => Buffer.alloc(count) }
  const storage = new RetryingStorage(server, { clock, random, logger }, stop.signal)
  server.answers = [failed('storage-failed'), undefined, failed('storage-failed')]
  await expect(storage.load('config')).rejects.toMatchObject({ code: 'interrupted' })
  // What comes after it, as the removal of a lock, is tried once.
  await storage.save('config', Buffer.from('x'))
  await expect(storage.load('config')).rejects.toMatchObject({ code: 'interrupted' })
  expect(server.startedAtMs).toHaveLength(3)
})

test('tells for how long nothing but failures came, and that any answer ends it', async () => {
  const { clock, server } = connect()
  const health = new StorageHealth()
  const random = { bytes: (count: number): Buffer => Buffer.alloc(count) }
  const { signal } = new AbortController()
  const silences: number[] = []
  const logger = { ...silentLogger, warn: () => silences.push(health.failingMs(clock.monotonicMs())) }
  const storage = new RetryingStorage(server, { clock, random, logger }, signal, health)
  server.answers = [
    failed('storage-failed'),
    failed('storage-busy'),
    failed('storage-failed'),
    failed('storage-denied'),
  ]
  await expect(storage.load('config')).rejects.toMatchObject({ code: 'storage-denied' })
  expect(silences).toEqual([0, 250, 750])
  expect(health.failingMs(clock.monotonicMs())).toBe(0)
})

test('to be closed ends the waiting, and no call begins after it; to its users the storage has failed', async () => {
  const { clock, server } = connect()
  const random = { bytes: (count: number): Buffer => Buffer.alloc(count) }
  const logger = { ...silentLogger, warn: () => void storage.close() }
  const storage: RetryingStorage = new RetryingStorage(server, { clock, random, logger })
  server.answers = [failed('storage-failed')]
  await expect(storage.load('config')).rejects.toMatchObject({ code: 'storage-failed' })
  await expect(storage.remove('config')).rejects.toMatchObject({
    code: 'storage-failed',
    message: 'far: was given up, for it did not answer',
  })
  expect(server.startedAtMs).toHaveLength(1)
})
