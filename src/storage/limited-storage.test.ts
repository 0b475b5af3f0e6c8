import { expect, test } from 'vitest'
import { testStorageContract } from '../../test/contracts/storage-contract.ts'
import { MemoryStorage } from '../../test/helpers/memory-storage.ts'
import { collect } from '../base/collect.ts'
import { LimitedStorage } from './limited-storage.ts'
import type { LoadOptions } from './storage.ts'

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
  open: async () => new LimitedStorage(new MemoryStorage()),
  reopen: async storage => storage,
})

test('makes no more calls at once than are worth it', async () => {
  const inner = new SlowStorage('slow:', undefined, { concurrency: 3 })
  await inner.save('config', Buffer.from('x'))
  const storage = new LimitedStorage(inner)
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
  const storage = new LimitedStorage(inner)
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

test('counts each call that is made, and of a listing each page', async () => {
  const counts: Record<string, number> = {}
  const storage = new LimitedStorage(new MemoryStorage(), (call, count) => {
    counts[call] = (counts[call] ?? 0) + count
  })
  for (let at = 0; at < 1001; at++) await storage.save(`index/${at}`, Buffer.alloc(1))
  await collect(storage.list('index/'))
  await collect(storage.listKeys('data/'))
  await storage.load('index/1')
  await storage.find('index/1')
  await storage.load('index/none').catch(() => undefined)
  await storage.remove('index/1')
  expect(counts).toEqual({ saves: 1001, lists: 3, loads: 2, finds: 1, removes: 1 })
})
