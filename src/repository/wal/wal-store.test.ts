import { randomBytes } from 'node:crypto'
import { beforeEach, expect, it } from 'vitest'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { makeWalStore } from '../../../test/helpers/wal-store.ts'
import { isAppError } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import type { WalContent } from '../contract/wal.ts'
import { randomKeys } from '../crypto/password.ts'
import type { SealedWalStore } from './wal-store.ts'

const SYSTEM = '7401234567890123456'
const SEGMENT = '0000000100000000000000AB'

let storage: MemoryStorage
let store: SealedWalStore

beforeEach(() => {
  storage = new MemoryStorage()
  store = makeWalStore(storage, randomKeys(systemRandom))
})

const content = (name: string, bytes: Buffer): WalContent => ({
  name,
  systemIdentifier: SYSTEM,
  bytes,
  writtenAt: new Date('2026-09-04T02:00:00Z'),
  segmentBytes: 1 << 24,
})
const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
const failure = async (work: Promise<unknown>): Promise<unknown> => await work.catch((error: unknown) => error)

it.each([SEGMENT, '00000002.history', `${SEGMENT}.00000028.backup`, `${SEGMENT}.partial`])('keeps %s', async name => {
  const bytes = Buffer.concat([randomBytes(1000), Buffer.alloc(5000)])
  expect(await store.save(content(name, bytes))).toBe('stored')
  const found = await store.find(SYSTEM, name)
  expect(found?.bytes.equals(bytes)).toBe(true)
  expect(found?.header.writtenAt).toBe('2026-09-04T02:00:00.000Z')
  expect((await collect(store.list(SYSTEM))).map(stored => stored.file.name)).toEqual([name])
  expect(await store.listClusters()).toEqual([SYSTEM])
})

it('takes the same again, and refuses another of the same name', async () => {
  const bytes = randomBytes(1000)
  await store.save(content(SEGMENT, bytes))
  expect(await store.save(content(SEGMENT, bytes))).toBe('same')
  const other = Buffer.from(bytes)
  other[999] = (other[999] ?? 0) ^ 1
  expect(isAppError(await failure(store.save(content(SEGMENT, other))), 'storage-exists')).toBe(true)
  expect((await store.find(SYSTEM, SEGMENT))?.bytes.equals(bytes)).toBe(true)
})

it('lets one win when two save at once', async () => {
  const outcomes = await Promise.allSettled([1, 2, 3].map(n => store.save(content(SEGMENT, Buffer.alloc(100, n)))))
  expect(outcomes.filter(outcome => outcome.status === 'fulfilled')).toHaveLength(1)
})

it('lets an unfinished segment grow, and drops it for the finished one', async () => {
  const whole = randomBytes(3000)
  const upTo = (used: number): Buffer => Buffer.concat([whole.subarray(0, used), Buffer.alloc(3000 - used)])
  const partial = `${SEGMENT}.partial`
  await store.save(content(partial, upTo(1000)))
  expect(await store.save(content(partial, upTo(2000)))).toBe('stored')
  expect(await store.save(content(partial, upTo(1500)))).toBe('same')
  expect((await store.find(SYSTEM, partial))?.bytes.equals(upTo(2000))).toBe(true)
  expect(isAppError(await failure(store.save(content(partial, randomBytes(3000)))), 'storage-exists')).toBe(true)
  await store.save(content(SEGMENT, whole))
  expect(await store.find(SYSTEM, partial)).toBeUndefined()
  expect(await store.save(content(partial, upTo(2500)))).toBe('same')
  expect(await store.find(SYSTEM, partial)).toBeUndefined()
})

it('says that a file is not there', async () => {
  expect(await store.find(SYSTEM, SEGMENT)).toBeUndefined()
  expect(await store.findHeader(SYSTEM, '00000002.history')).toBeUndefined()
})

it('finds every flipped bit, and an object under a wrong name', async () => {
  await store.save(content(SEGMENT, randomBytes(50)))
  const [key = ''] = await collect(storage.listKeys('wal/'))
  expect(key).toBe(`wal/${SYSTEM}/00000001/0000000100000000000000ab`)
  const sealed = await storage.load(key)
  for (let at = 0; at < sealed.length; at += 7) {
    const bad = Buffer.from(sealed)
    bad[at] = (bad[at] ?? 0) ^ 4
    await storage.save(key, bad)
    expect(isAppError(await failure(store.find(SYSTEM, SEGMENT)), 'damaged')).toBe(true)
  }
  await storage.save(key.replace(/ab$/, 'ac'), sealed)
  const error = await failure(store.find(SYSTEM, SEGMENT.replace(/AB$/, 'AC')))
  expect(isAppError(error, 'damaged') && error.message).toContain(`it holds ${SEGMENT}`)
})

it.each(['', '../config', `${SEGMENT}/x`, SEGMENT.toLowerCase()])('refuses the name %j', async name => {
  expect(isAppError(await failure(store.save(content(name, Buffer.alloc(1)))), 'usage')).toBe(true)
})

it('says that a storage for files of restic alone keeps no log', async () => {
  const restic = makeWalStore(new MemoryStorage('rest:', undefined, { keys: 'restic' }), randomKeys(systemRandom))
  await expect(restic.save(content(SEGMENT, Buffer.alloc(10)))).rejects.toMatchObject({ code: 'unsupported' })
  expect(await restic.find(SYSTEM, SEGMENT)).toBeUndefined()
  expect(await collect(restic.list(SYSTEM))).toEqual([])
  await restic.remove(SYSTEM, SEGMENT)
})

it('says that an unfinished segment cannot grow where nothing is replaced', async () => {
  const locked = makeWalStore(new MemoryStorage('locked:', undefined, { overwrites: false }), randomKeys(systemRandom))
  const partial = (filled: number): WalContent => {
    const bytes = Buffer.concat([Buffer.alloc(filled, 1), Buffer.alloc(100 - filled)])
    return content(`${SEGMENT}.partial`, bytes)
  }
  expect(await locked.save(partial(10))).toBe('stored')
  expect(await locked.save(partial(10))).toBe('same')
  await expect(locked.save(partial(20))).rejects.toMatchObject({ code: 'unsupported' })
  expect(await locked.save(content(SEGMENT, Buffer.alloc(100, 1)))).toBe('stored')
})
