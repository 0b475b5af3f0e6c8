import { expect, test } from 'vitest'
import { testStorageContract } from '../../test/contracts/storage-contract.ts'
import { MemoryStorage } from '../../test/helpers/memory-storage.ts'
import { systemClock } from '../base/clock.ts'
import { LimitedStorage } from './limited-storage.ts'
import type { LoadOptions } from './storage.ts'

/** Time passes only when it is moved on. */
class StandingClock {
  #nowMs = 0
  #sleeping: Array<{ readonly untilMs: number; readonly wake: () => void }> = []

  now(): Date {
    return new Date(this.#nowMs)
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise(wake => {
      this.#sleeping.push({ untilMs: this.#nowMs + ms, wake })
      signal?.addEventListener('abort', () => wake(), { once: true })
    })
  }

  async advance(ms: number): Promise<void> {
    this.#nowMs += ms
    const due = this.#sleeping.filter(({ untilMs }) => untilMs <= this.#nowMs)
    this.#sleeping = this.#sleeping.filter(({ untilMs }) => untilMs > this.#nowMs)
    for (const { wake } of due) wake()
    await settle()
  }
}

const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** Calls end when they are let go. */
class SlowStorage extends MemoryStorage {
  running = 0
  most = 0
  readonly #held: Array<() => void> = []

  override async load(key: string, options?: LoadOptions): Promise<Buffer> {
    this.most = Math.max(this.most, ++this.running)
    await new Promise<void>(resolve => this.#held.push(resolve))
    this.running--
    return await super.load(key, options)
  }

  async letGo(): Promise<void> {
    this.#held.shift()?.()
    await settle()
  }
}

testStorageContract('limited', {
  open: async () => new LimitedStorage(new MemoryStorage(), { upload: 1e9, download: 1e9 }, systemClock),
  reopen: async storage => storage,
})

test('makes no more calls at once than are worth it', async () => {
  const inner = new SlowStorage('slow:', undefined, { concurrency: 3 })
  await inner.save('config', Buffer.from('x'))
  const storage = new LimitedStorage(inner, {}, systemClock)
  const loads = Array.from({ length: 10 }, () => storage.load('config'))
  for (let done = 0; done < 10; done++) {
    await settle()
    expect(inner.running).toBe(Math.min(3, 10 - done))
    await inner.letGo()
  }
  await Promise.all(loads)
  expect(inner.most).toBe(3)
})

test('who is interrupted while waiting takes nobody’s place', async () => {
  const inner = new SlowStorage('slow:', undefined, { concurrency: 1 })
  await inner.save('config', Buffer.from('x'))
  const storage = new LimitedStorage(inner, {}, systemClock)
  const stop = new AbortController()
  const first = storage.load('config')
  const waiting = storage.load('config', { signal: stop.signal })
  const last = storage.load('config')
  stop.abort()
  await expect(waiting).rejects.toMatchObject({ code: 'interrupted' })
  await inner.letGo()
  await inner.letGo()
  expect(await Promise.all([first, last])).toHaveLength(2)
})

test('uploads and downloads keep to their rates on average', async () => {
  const clock = new StandingClock()
  const storage = new LimitedStorage(new MemoryStorage(), { upload: 1000, download: 500 }, clock)
  const done: string[] = []
  const saves = ['a', 'b', 'c'].map(async name => {
    await storage.save(`index/${name}`, Buffer.alloc(2000))
    done.push(name)
  })
  await settle()
  expect(done).toEqual(['a'])
  await clock.advance(1999)
  expect(done).toEqual(['a'])
  await clock.advance(1)
  expect(done).toEqual(['a', 'b'])
  await clock.advance(2000)
  expect(done).toEqual(['a', 'b', 'c'])
  await Promise.all(saves)

  await storage.load('index/a')
  let loaded = false
  const loadSecond = async (): Promise<void> => {
    await storage.load('index/b', { range: { offset: 0, length: 10 } })
    loaded = true
  }
  const second = loadSecond()
  await clock.advance(3999)
  expect(loaded).toBe(false)
  await clock.advance(1)
  await second
})

test('an interrupt ends the wait for the rate', async () => {
  const clock = new StandingClock()
  const storage = new LimitedStorage(new MemoryStorage(), { upload: 1 }, clock)
  await storage.save('index/a', Buffer.alloc(1000))
  const stop = new AbortController()
  const saving = storage.save('index/b', Buffer.alloc(1), { signal: stop.signal })
  await settle()
  stop.abort()
  await expect(saving).rejects.toMatchObject({ code: 'interrupted' })
  expect(await storage.find('index/b')).toBeUndefined()
})
