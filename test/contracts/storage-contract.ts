import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/base/error-codes.ts'
import { AppError } from '../../src/base/errors.ts'
import type { Storage } from '../../src/storage/storage.ts'

/** What every storage adapter promises. `open` gives an empty store; `reopen` the same one again. */
export interface StorageUnderTest {
  readonly open: () => Promise<Storage>
  readonly reopen: (storage: Storage) => Promise<Storage>
  readonly cleanUp?: () => Promise<void>
}

export function testStorageContract(name: string, underTest: StorageUnderTest): void {
  describe(`storage contract: ${name}`, () => {
    let storage: Storage

    beforeEach(async () => {
      storage = await underTest.open()
    })

    afterEach(async () => {
      await storage.close()
      await underTest.cleanUp?.()
    })

    test('an empty store lists nothing, finds nothing, and removing nothing is fine', async () => {
      expect(await keysOf(storage, '')).toEqual([])
      expect(await keysOf(storage, 'data/')).toEqual([])
      expect(await storage.find('config')).toBeUndefined()
      await storage.remove('data/3f/3f2a')
    })

    test('gives back what was saved, whole and by range, also after reopening', async () => {
      const content = randomBytes(100_000)
      await storage.save('data/3f/3f2a', content)
      const again = await underTest.reopen(storage)
      expect(content.equals(await again.load('data/3f/3f2a'))).toBe(true)
      expect(await again.load('data/3f/3f2a', { range: { offset: 0, length: 1 } })).toEqual(content.subarray(0, 1))
      expect(await again.load('data/3f/3f2a', { range: { offset: 99_000, length: 1000 } })).toEqual(
        content.subarray(99_000),
      )
      expect(await again.find('data/3f/3f2a')).toMatchObject({ key: 'data/3f/3f2a', sizeBytes: 100_000 })
      await again.close()
    })

    test('joins parts in order, empty ones and thousands of them too', async () => {
      const parts = Array.from({ length: 3000 }, (_, at) => Buffer.from(at % 7 === 0 ? '' : `part ${at};`))
      await storage.save('index/a', parts)
      expect(await storage.load('index/a')).toEqual(Buffer.concat(parts))
      await storage.save('index/empty', [])
      expect(await storage.load('index/empty')).toEqual(Buffer.alloc(0))
    })

    test('what it loads belongs to the caller, what it saves does not change with the caller', async () => {
      const content = Buffer.from('as it was')
      await storage.save('config', content)
      content.fill(0)
      const loaded = await storage.load('config')
      loaded.fill(1)
      expect((await storage.load('config')).toString()).toBe('as it was')
    })

    test('overwrites, but not when the object must be absent', async () => {
      await storage.save('config', Buffer.from('one'))
      await storage.save('config', Buffer.from('two, longer'))
      await expectRejection(storage.save('config', Buffer.from('three'), { ifAbsent: true }), 'storage-exists')
      expect((await storage.load('config')).toString()).toBe('two, longer')
      await storage.save('keys/a', Buffer.from('new'), { ifAbsent: true })
      expect((await storage.load('keys/a')).toString()).toBe('new')
      expect(await keysOf(storage, '')).toEqual(['config', 'keys/a'])
    })

    test('of many that save the same absent object at once, exactly one wins', async () => {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 8 }, (_, at) => storage.save('config', Buffer.from(`${at}`), { ifAbsent: true })),
      )
      const won = outcomes.flatMap((outcome, at) => (outcome.status === 'fulfilled' ? [`${at}`] : []))
      expect(won).toEqual([(await storage.load('config')).toString()])
    })

    test('many that overwrite one object at once leave one of the contents, whole', async () => {
      const contents = Array.from({ length: 8 }, (_, at) => Buffer.alloc(50_000 + at, at))
      await Promise.all(contents.map(content => storage.save('config', content)))
      const stored = await storage.load('config')
      expect(contents.some(content => content.equals(stored))).toBe(true)
      expect(await keysOf(storage, '')).toEqual(['config'])
    })

    test('lists by prefix, with sizes', async () => {
      const wanted = ['config', 'data/00/00aa', 'data/00/00bb', 'data/ff/ffee', 'keys/k', 'snapshots/s']
      await Promise.all(wanted.map((key, at) => storage.save(key, Buffer.alloc(at))))
      expect(await keysOf(storage, '')).toEqual(wanted)
      expect(await keysOf(storage, 'data/')).toEqual(['data/00/00aa', 'data/00/00bb', 'data/ff/ffee'])
      expect(await keysOf(storage, 'data/00/')).toEqual(['data/00/00aa', 'data/00/00bb'])
      expect(await keysOf(storage, 'dat/')).toEqual([])
      const sizes: Record<string, number> = {}
      for await (const object of storage.list('')) sizes[object.key] = object.sizeBytes
      expect(sizes).toEqual(Object.fromEntries(wanted.map((key, at) => [key, at])))
    })

    test('a removed object is gone, the others stay', async () => {
      await storage.save('locks/a', Buffer.from('a'))
      await storage.save('locks/b', Buffer.from('b'))
      await storage.remove('locks/a')
      await expectRejection(storage.load('locks/a'), 'storage-not-found')
      expect(await storage.find('locks/a')).toBeUndefined()
      expect(await keysOf(storage, 'locks/')).toEqual(['locks/b'])
    })

    test('says what is missing, and never gives fewer bytes than asked for', async () => {
      await expectRejection(storage.load('data/3f/3f2a'), 'storage-not-found')
      await storage.save('config', Buffer.alloc(10))
      await expectRejection(storage.load('config', { range: { offset: 5, length: 6 } }), 'storage-failed')
      await expectRejection(storage.load('config', { range: { offset: 11, length: 1 } }), 'storage-failed')
    })

    test.each([
      '',
      '/etc/passwd',
      '../outside',
      'data/../../outside',
      'data//a',
      'data/',
      './config',
      'data/.hidden',
      'DATA/A',
      'data/a\0b',
      'data\\a',
      'tmp/a',
      'tmp',
      'a'.repeat(600),
    ])('refuses the key %j', async key => {
      await expectRejection(storage.save(key, Buffer.from('x')), 'storage-denied')
      await expectRejection(storage.load(key), 'storage-denied')
      await expectRejection(storage.find(key), 'storage-denied')
      await expectRejection(storage.remove(key), 'storage-denied')
      expect(await keysOf(storage, '')).toEqual([])
    })

    test.each(['data', '../', '/', 'tmp/'])('refuses the prefix %j', async prefix => {
      await expectRejection(keysOf(storage, prefix), 'storage-denied')
    })

    test('a fired signal interrupts', async () => {
      await storage.save('config', Buffer.from('x'))
      const signal = AbortSignal.abort()
      await expectRejection(storage.load('config', { signal }), 'interrupted')
      await expectRejection(storage.save('keys/a', Buffer.from('x'), { signal }), 'interrupted')
      await expectRejection(storage.remove('config', { signal }), 'interrupted')
      expect(await keysOf(storage, '')).toEqual(['config'])
    })

    test('tells the free space as a number, or that there is no such notion', async () => {
      const free = await storage.freeBytes()
      expect(free === undefined || free > 0).toBe(true)
    })
  })
}

async function keysOf(storage: Storage, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const key of storage.listKeys(prefix)) keys.push(key)
  return keys.sort()
}

async function expectRejection(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(AppError)
  expect(error instanceof AppError ? error.code : undefined).toBe(code)
}
