import { createHash, randomBytes } from 'node:crypto'
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

type Folder = 'index' | 'keys' | 'locks' | 'snapshots' | 'data'

/** More than any server gives in one page of a listing: S3 and GCS stop at 1000, Azure at 5000 but may give fewer. */
const MANY_OBJECTS = 2500

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
      await storage.remove(keyOf('data', Buffer.from('x')))
    })

    test('its traits are numbers that a repository can work with', () => {
      const { concurrency, saves, packBytes, retryMs } = storage.traits
      expect(Math.min(concurrency, saves)).toBeGreaterThanOrEqual(1)
      expect(saves).toBeLessThanOrEqual(concurrency)
      expect(packBytes).toBeGreaterThanOrEqual(4 * 1024 * 1024)
      expect(packBytes).toBeLessThanOrEqual(16 * 1024 * 1024)
      expect(retryMs).toBeGreaterThanOrEqual(0)
    })

    test('gives back what was saved, whole and by range, also after reopening', async () => {
      const content = randomBytes(100_000)
      const key = await put(storage, 'data', content)
      const again = await underTest.reopen(storage)
      expect(content.equals(await again.load(key))).toBe(true)
      expect(await again.load(key, { range: { offset: 0, length: 1 } })).toEqual(content.subarray(0, 1))
      expect(await again.load(key, { range: { offset: 99_000, length: 1000 } })).toEqual(content.subarray(99_000))
      expect(content.equals(await again.load(key, { into: Buffer.alloc(200_000) }))).toBe(true)
      expect(await again.find(key)).toMatchObject({ key, sizeBytes: 100_000 })
      await again.close()
    })

    test('joins parts in order, empty ones and thousands of them too', async () => {
      const parts = Array.from({ length: 3000 }, (_, at) => Buffer.from(at % 7 === 0 ? '' : `part ${at};`))
      const key = keyOf('index', Buffer.concat(parts))
      await storage.save(key, parts)
      expect(await storage.load(key)).toEqual(Buffer.concat(parts))
      const empty = keyOf('index', Buffer.alloc(0))
      await storage.save(empty, [])
      expect(await storage.load(empty)).toEqual(Buffer.alloc(0))
    })

    test('what it loads belongs to the caller, what it saves does not change with the caller', async () => {
      const content = Buffer.from('as it was')
      await storage.save('config', content)
      content.fill(0)
      const loaded = await storage.load('config')
      loaded.fill(1)
      expect((await storage.load('config')).toString()).toBe('as it was')
    })

    test('replaces an object only where its traits say so, and never one that must be absent', async () => {
      const { location, traits } = storage
      const there = { code: 'storage-exists', message: `cannot write config to ${location}: it is there already` }
      await storage.save('config', Buffer.from('one'))
      const replaced = storage.save('config', Buffer.from('two, longer'))
      if (traits.overwrites) await replaced
      else await expect(replaced).rejects.toMatchObject(there)
      await expect(storage.save('config', Buffer.from('three'), { ifAbsent: true })).rejects.toMatchObject(there)
      expect((await storage.load('config')).toString()).toBe(traits.overwrites ? 'two, longer' : 'one')
      const key = await put(storage, 'keys', Buffer.from('new'), { ifAbsent: true })
      expect((await storage.load(key)).toString()).toBe('new')
      expect(await keysOf(storage, '')).toEqual(['config', key])
    })

    test('of many that save the same absent object at once, exactly one wins', async () => {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 8 }, (_, at) => storage.save('config', Buffer.from(`${at}`), { ifAbsent: true })),
      )
      const won = outcomes.flatMap((outcome, at) => (outcome.status === 'fulfilled' ? [`${at}`] : []))
      expect(won).toEqual([(await storage.load('config')).toString()])
    })

    test('many that save one object at once leave one of the contents, whole', async () => {
      const contents = Array.from({ length: 8 }, (_, at) => Buffer.alloc(50_000 + at, at))
      const outcomes = await Promise.allSettled(contents.map(content => storage.save('config', content)))
      const saved = outcomes.filter(({ status }) => status === 'fulfilled').length
      expect(saved).toBeGreaterThanOrEqual(storage.traits.overwrites ? contents.length : 1)
      const stored = await storage.load('config')
      expect(contents.some(content => content.equals(stored))).toBe(true)
      expect(await keysOf(storage, '')).toEqual(['config'])
    })

    test('lists by prefix, with sizes, and with times only where they are those of find', async () => {
      const wanted: [Folder, Buffer][] = [
        ['data', Buffer.from('a')],
        ['data', Buffer.from('bb')],
        ['data', Buffer.from('ccc')],
        ['keys', Buffer.from('dddd')],
        ['snapshots', Buffer.from('eeeee')],
      ]
      const keys = await Promise.all(wanted.map(([folder, content]) => put(storage, folder, content)))
      await storage.save('config', Buffer.alloc(0))
      const packs = keys.slice(0, 3).sort()
      expect(await keysOf(storage, '')).toEqual(['config', ...keys].sort())
      expect(await keysOf(storage, 'data/')).toEqual(packs)
      const folder = `${packs[0]?.slice(0, 'data/00'.length)}/`
      expect(await keysOf(storage, folder)).toEqual(packs.filter(key => key.startsWith(folder)))
      expect(await keysOf(storage, 'dat/')).toEqual([])
      const sizes: Record<string, number> = {}
      for await (const object of storage.list('')) {
        sizes[object.key] = object.sizeBytes
        const { modifiedAt } = (await storage.find(object.key)) ?? {}
        // Some servers tell it to the second in one of the two.
        const apartMs = (object.modifiedAt?.getTime() ?? 0) - (modifiedAt?.getTime() ?? 0)
        if (object.modifiedAt) expect(Math.abs(apartMs)).toBeLessThan(1000)
      }
      const expected = keys.map((key, at) => [key, wanted[at]?.[1].length])
      expect(sizes).toEqual(Object.fromEntries([['config', 0], ...expected]))
    })

    test(`lists ${MANY_OBJECTS} objects, each once`, async () => {
      const contents = Array.from({ length: MANY_OBJECTS }, (_, at) => Buffer.from(`${at}`))
      const keys: string[] = []
      for (let at = 0; at < contents.length; at += 50) {
        const some = contents.slice(at, at + 50)
        keys.push(...(await Promise.all(some.map(content => put(storage, 'index', content)))))
      }
      await put(storage, 'keys', Buffer.from('another folder'))
      const listed: string[] = []
      for await (const { key } of storage.list('index/')) listed.push(key)
      expect(listed.sort()).toEqual(keys.sort())
      expect(await keysOf(storage, 'index/')).toEqual(keys)
    })

    test('a removed object is gone, the others stay', async () => {
      const [a, b] = [await put(storage, 'locks', Buffer.from('a')), await put(storage, 'locks', Buffer.from('b'))]
      await storage.remove(a)
      await expectRejection(storage.load(a), 'storage-not-found')
      expect(await storage.find(a)).toBeUndefined()
      expect(await keysOf(storage, 'locks/')).toEqual([b])
    })

    test('says what is missing in the words of all storages, and never gives fewer bytes than asked for', async () => {
      const key = keyOf('data', Buffer.from('x'))
      await expect(storage.load(key)).rejects.toMatchObject({
        code: 'storage-not-found',
        message: `cannot read ${key} from ${storage.location}: it is not there`,
        isTransient: false,
      })
      await storage.save('config', Buffer.alloc(10))
      const short = {
        code: 'storage-too-short',
        message: `cannot read config from ${storage.location}: it ends before the range asked for`,
        isTransient: false,
      }
      await expect(storage.load('config', { range: { offset: 5, length: 6 } })).rejects.toMatchObject(short)
      await expect(storage.load('config', { range: { offset: 11, length: 1 } })).rejects.toMatchObject(short)
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
      await expectRefusal(storage, key)
    })

    test('takes keys that no repository of restic has, or refuses them as its traits say', async () => {
      const keys = [
        'logs/postgres-cluster/7301/000000010000000_a000000_f_e',
        'lifeboat.yaml',
        'data/3f/3f2a',
        'snapshots/a',
      ]
      for (const key of keys) {
        if (storage.traits.keys === 'restic') await expectRefusal(storage, key)
        else await storage.save(key, Buffer.from(key))
      }
      expect(await keysOf(storage, '')).toEqual(storage.traits.keys === 'restic' ? [] : keys.sort())
    })

    test.each(['data', '../', '/', 'tmp/'])('refuses the prefix %j', async prefix => {
      await expectRejection(keysOf(storage, prefix), 'storage-denied')
    })

    test('a fired signal interrupts', async () => {
      await storage.save('config', Buffer.from('x'))
      const signal = AbortSignal.abort()
      const key = keyOf('keys', Buffer.from('x'))
      await expectRejection(storage.load('config', { signal }), 'interrupted')
      await expectRejection(storage.save(key, Buffer.from('x'), { signal }), 'interrupted')
      await expectRejection(storage.remove('config', { signal }), 'interrupted')
      expect(await keysOf(storage, '')).toEqual(['config'])
    })

    test('tells the free space as a number, or that there is no such notion', async () => {
      const free = await storage.freeBytes()
      expect(free === undefined || free > 0).toBe(true)
    })
  })
}

function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/** As a repository names a file: servers for restic check that name and content agree. */
function keyOf(folder: Folder, content: Uint8Array): string {
  const id = sha256(content)
  return folder === 'data' ? `data/${id.slice(0, 2)}/${id}` : `${folder}/${id}`
}

async function put(
  storage: Storage,
  folder: Folder,
  content: Buffer,
  options: { readonly ifAbsent?: boolean } = {},
): Promise<string> {
  const key = keyOf(folder, content)
  await storage.save(key, content, { ...options, sha256: sha256(content) })
  return key
}

async function keysOf(storage: Storage, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const key of storage.listKeys(prefix)) keys.push(key)
  return keys.sort()
}

async function expectRefusal(storage: Storage, key: string): Promise<void> {
  await expectRejection(storage.save(key, Buffer.from('x')), 'storage-denied')
  await expectRejection(storage.load(key), 'storage-denied')
  await expectRejection(storage.find(key), 'storage-denied')
  await expectRejection(storage.remove(key), 'storage-denied')
  expect(await keysOf(storage, '')).toEqual([])
}

async function expectRejection(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(AppError)
  expect(error instanceof AppError ? error.code : undefined).toBe(code)
}
