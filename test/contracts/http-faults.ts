import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { AppError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { systemRandom } from '../../src/base/random.ts'
import { RetryingStorage } from '../../src/storage/retrying-storage.ts'
import type { Storage } from '../../src/storage/storage.ts'
import type { StorageErrorCode } from '../../src/storage/storage-error.ts'
import { type Fault, FaultProxy, type ProxiedAnswer, type ProxiedCall } from '../helpers/fault-proxy.ts'

export const FAULT_CONTENT = randomBytes(300_000)

/** Sleeps pass at once. */
let sleptMs = 0
export const sleeplessClock = {
  now: () => new Date(),
  monotonicMs: () => sleptMs,
  sleep: async (ms: number) => {
    sleptMs += ms
  },
}

export type CallKind = 'save' | 'saveAbsent' | 'load' | 'loadRange' | 'find' | 'list' | 'remove'

/** What each kind of call does, and what holds once it went well: also when another attempt had to be made. */
export const STORAGE_CALLS: Readonly<Record<CallKind, (storage: Storage) => Promise<void>>> = {
  save: async storage => {
    await storage.save('index/new', [FAULT_CONTENT.subarray(0, 1000), FAULT_CONTENT.subarray(1000)])
    expect((await storage.load('index/new')).equals(FAULT_CONTENT)).toBe(true)
  },
  saveAbsent: async storage => {
    await storage.save('index/new', FAULT_CONTENT, { ifAbsent: true })
    expect((await storage.load('index/new')).equals(FAULT_CONTENT)).toBe(true)
  },
  load: async storage => {
    expect((await storage.load('config')).equals(FAULT_CONTENT)).toBe(true)
  },
  loadRange: async storage => {
    const part = await storage.load('config', { range: { offset: 1000, length: 5000 }, into: Buffer.alloc(6000) })
    expect(part.equals(FAULT_CONTENT.subarray(1000, 6000))).toBe(true)
  },
  find: async storage => {
    expect(await storage.find('config')).toMatchObject({ key: 'config', sizeBytes: 300_000 })
  },
  list: async storage => {
    const keys: string[] = []
    for await (const { key } of storage.list('')) keys.push(key)
    expect(keys).toEqual(['config', 'locks/a'])
  },
  remove: async storage => {
    await storage.remove('locks/a')
    expect(await storage.find('locks/a')).toBeUndefined()
  },
}

const ALL = Object.keys(STORAGE_CALLS) as CallKind[]

export interface FaultCase {
  readonly what: string
  readonly fault: Fault
  readonly calls: readonly CallKind[]
  /** Of the call as it is; undefined where it goes well nevertheless. */
  readonly code: StorageErrorCode | undefined
}

export const changedAnswer = (change: (answer: ProxiedAnswer) => Partial<ProxiedAnswer>): Fault => ({
  change: answer => ({ ...answer, ...change(answer) }),
})

/** What a line, a gateway or a server that lies does to any service, whatever its protocol. */
const ANY_SERVICE: readonly FaultCase[] = [
  {
    what: 'a page of a broken gateway',
    fault: { answer: { status: 502, body: Buffer.from('<html>Bad') } },
    calls: ALL,
    code: 'storage-failed',
  },
  {
    what: 'a busy server',
    fault: { answer: { status: 503, headers: { 'retry-after': '7' } } },
    calls: ALL,
    code: 'storage-busy',
  },
  { what: 'a server that stands still', fault: 'stall', calls: ALL, code: 'storage-failed' },
  { what: 'a cut body', fault: { cut: 30 }, calls: ['load', 'loadRange', 'list'], code: 'storage-failed' },
  {
    what: 'a longer body than was said',
    fault: changedAnswer(({ body }) => ({ body: Buffer.concat([body, Buffer.from('x')]) })),
    calls: ['loadRange'],
    code: 'storage-failed',
  },
  {
    what: 'another range',
    fault: changedAnswer(({ headers }) => ({ headers: { ...headers, 'content-range': 'bytes 0-4999/300000' } })),
    calls: ['loadRange'],
    code: 'storage-failed',
  },
  {
    what: 'a range that was not asked for',
    fault: changedAnswer(() => ({ status: 206 })),
    calls: ['load'],
    code: 'storage-failed',
  },
  {
    what: 'the whole object for a range',
    fault: { answer: { body: FAULT_CONTENT } },
    calls: ['loadRange'],
    code: undefined,
  },
  {
    what: 'a range that ends too early at the object’s end',
    fault: { answer: { status: 206, headers: { 'content-range': 'bytes 1000-1999/2000' }, body: Buffer.alloc(1000) } },
    calls: ['loadRange'],
    code: 'storage-too-short',
  },
  // Sent again at once over a new connection, but for what would then find its own object.
  {
    what: 'a kept connection that breaks',
    fault: 'reset',
    calls: ALL.filter(kind => kind !== 'saveAbsent' && kind !== 'save'),
    code: undefined,
  },
  { what: 'a kept connection that breaks', fault: 'reset', calls: ['saveAbsent'], code: 'storage-failed' },
  { what: 'a lost answer', fault: 'lost', calls: ['saveAbsent'], code: 'storage-failed' },
]

export interface FaultyService {
  /** Starts the server; `open` opens an empty store through the proxy at `origin`, the `count`th. */
  readonly start: () => Promise<{ readonly port: number; close(): Promise<void> }>
  readonly open: (origin: string, count: number, stallMs: number) => Promise<Storage>
  /** What only this service says. */
  readonly cases?: readonly FaultCase[]
}

/** No fault gives wrong bytes: a call fails by the table of errors, and what may be tried again goes well the next time. */
export function testHttpFaults({ start, open, cases = [] }: FaultyService): void {
  describe('with a server that lies and lines that break', () => {
    let server: Awaited<ReturnType<typeof start>>
    let proxy: FaultProxy
    let storage: Storage
    let count = 0

    beforeAll(async () => {
      server = await start()
      proxy = await FaultProxy.start(server.port)
    })
    afterAll(async () => {
      await proxy.close()
      await server.close()
    })
    beforeEach(async () => {
      storage = await open(proxy.origin, ++count, 400)
      await storage.save('config', FAULT_CONTENT)
      await storage.save('locks/a', Buffer.from('a lock'))
      proxy.forget()
    })
    afterEach(() => storage.close())

    const isFirst = ({ number }: ProxiedCall): boolean => number === 1

    describe.each([...ANY_SERVICE, ...cases])('$what', ({ fault, calls, code }) => {
      test.each(calls)(`in %s is ${code ?? 'no matter'}`, async kind => {
        proxy.once(fault, isFirst)
        const thrown: unknown = await STORAGE_CALLS[kind](storage).catch((caught: unknown) => caught)
        if (code === undefined) return expect(thrown).toBeUndefined()
        expect(thrown).toBeInstanceOf(AppError)
        expect(thrown).toMatchObject({ code })
        if (!(thrown instanceof AppError) || !thrown.isTransient) return undefined
        // And through what tries again, as everybody opens it.
        proxy.forget()
        await storage.remove('index/new')
        await storage.save('locks/a', Buffer.from('a lock'))
        proxy.forget()
        proxy.once(fault, isFirst)
        const context = { clock: sleeplessClock, random: systemRandom, logger: silentLogger }
        await STORAGE_CALLS[kind](new RetryingStorage(storage, context))
      })
    })

    test('how long a busy server wants to be left alone is passed on', async () => {
      proxy.once({ answer: { status: 503, headers: { 'retry-after': '7' } } })
      await expect(storage.load('config')).rejects.toMatchObject({ context: { retryAfterMs: 7000 } })
    })

    test('a save that the server carried out is ours when its answer was lost, and not another’s', async () => {
      const context = { clock: sleeplessClock, random: systemRandom, logger: silentLogger }
      const retrying = new RetryingStorage(storage, context)
      const isSave = ({ method }: ProxiedCall): boolean => method === 'PUT' || method === 'POST'
      proxy.once('lost', isSave)
      await retrying.save('keys/a', FAULT_CONTENT, { ifAbsent: true })
      proxy.once('lost', isSave)
      await expect(retrying.save('keys/a', Buffer.from('another'), { ifAbsent: true })).rejects.toMatchObject({
        code: 'storage-exists',
      })
      expect((await storage.load('keys/a')).equals(FAULT_CONTENT)).toBe(true)
    })
  })
}
