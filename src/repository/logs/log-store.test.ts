import { randomBytes } from 'node:crypto'
import { beforeEach, expect, it } from 'vitest'
import { makeLogStore } from '../../../test/helpers/log-store.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { isAppError } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import type { LogContent } from '../contract/logs.ts'
import { randomKeys } from '../crypto/password.ts'
import type { SealedLogStore } from './log-store.ts'

const LOG = { kind: 'postgres-cluster', id: '7401234567890123456' }
const NAME = '0000000100000000000000AB'
const KEY = `logs/postgres-cluster/7401234567890123456/0000000100000000000000_a_b`
const FILE = { name: NAME, unfinished: false }
const UNFINISHED = { name: NAME, unfinished: true }

let storage: MemoryStorage
let store: SealedLogStore

beforeEach(() => {
  storage = new MemoryStorage()
  store = makeLogStore(storage, randomKeys(systemRandom))
})

const content = (name: string, bytes: Buffer, unfinished = false): LogContent => ({
  log: LOG,
  name,
  unfinished,
  bytes,
  writtenAt: new Date('2026-09-04T02:00:00Z'),
})
const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
const failure = async (work: Promise<unknown>): Promise<unknown> => await work.catch((error: unknown) => error)

it.each([NAME, '00000002.history', `${NAME}.00000028.backup`, 'a', '00ff_0012.ltx', 'Z-9.wal'])(
  'keeps the file %s',
  async name => {
    const file = { name, unfinished: false }
    const bytes = Buffer.concat([randomBytes(1000), Buffer.alloc(5000)])
    expect(await store.save(content(name, bytes))).toBe('stored')
    const found = await store.find(LOG, file)
    expect(found?.bytes.equals(bytes)).toBe(true)
    expect(found?.header.writtenAt).toBe('2026-09-04T02:00:00.000Z')
    expect(await collect(store.list(LOG))).toEqual([{ ...file, storedBytes: expect.any(Number) }])
    expect(await store.listLogs()).toEqual([LOG])
    await store.remove(LOG, file)
    expect(await store.listLogs()).toEqual([])
  },
)

it('keeps logs of other kinds and ids apart', async () => {
  const others = [LOG, { ...LOG, kind: 'sqlite' }, { ...LOG, id: 'aF' }, { ...LOG, id: 'AF' }]
  for (const [i, log] of others.entries()) await store.save({ ...content('a', Buffer.alloc(9, i)), log })
  for (const [i, log] of others.entries()) {
    expect((await store.find(log, { name: 'a', unfinished: false }))?.bytes).toEqual(Buffer.alloc(9, i))
  }
  expect(await store.listLogs()).toHaveLength(4)
})

it('passes over objects that are no log files of ours', async () => {
  await store.save(content(NAME, Buffer.alloc(9)))
  const folder = KEY.slice(0, KEY.lastIndexOf('/'))
  const strangers = [`${folder}/a_`, `${folder}/a/b`, 'logs/a', 'logs/-a/b/c', 'logs/a/_/c']
  for (const key of strangers) await storage.save(key, Buffer.alloc(1))
  expect(await collect(store.list(LOG))).toMatchObject([FILE])
  expect(await store.listLogs()).toEqual([LOG])
})

it('takes the same again, and refuses another of the same name', async () => {
  const bytes = randomBytes(1000)
  await store.save(content(NAME, bytes))
  expect(await store.save(content(NAME, bytes))).toBe('same')
  const other = Buffer.from(bytes)
  other[999] = (other[999] ?? 0) ^ 1
  expect(isAppError(await failure(store.save(content(NAME, other))), 'storage-exists')).toBe(true)
  expect((await store.find(LOG, FILE))?.bytes.equals(bytes)).toBe(true)
})

it('lets one win when two save at once', async () => {
  const outcomes = await Promise.allSettled([1, 2, 3].map(n => store.save(content(NAME, Buffer.alloc(100, n)))))
  expect(outcomes.filter(outcome => outcome.status === 'fulfilled')).toHaveLength(1)
})

it('lets an unfinished file grow, and drops it for the finished one', async () => {
  const whole = randomBytes(3000)
  const upTo = (used: number): Buffer => Buffer.concat([whole.subarray(0, used), Buffer.alloc(3000 - used)])
  await store.save(content(NAME, upTo(1000), true))
  expect(await store.save(content(NAME, upTo(2000), true))).toBe('stored')
  expect(await store.save(content(NAME, upTo(1500), true))).toBe('same')
  expect((await store.find(LOG, UNFINISHED))?.bytes.equals(upTo(2000))).toBe(true)
  expect(await store.find(LOG, FILE)).toBeUndefined()
  expect(await collect(store.list(LOG))).toMatchObject([UNFINISHED])
  expect(isAppError(await failure(store.save(content(NAME, randomBytes(3000), true))), 'storage-exists')).toBe(true)
  await store.save(content(NAME, whole))
  expect(await store.find(LOG, UNFINISHED)).toBeUndefined()
  expect(await store.save(content(NAME, upTo(2500), true))).toBe('same')
  expect(await store.find(LOG, UNFINISHED)).toBeUndefined()
})

it('says that a file is not there', async () => {
  expect(await store.find(LOG, FILE)).toBeUndefined()
  expect(await store.findHeader(LOG, { name: '00000002.history', unfinished: false })).toBeUndefined()
})

it('finds every flipped bit, and an object under a wrong name', async () => {
  await store.save(content(NAME, randomBytes(50)))
  const [key = ''] = await collect(storage.listKeys('logs/'))
  expect(key).toBe(KEY)
  const sealed = await storage.load(key)
  for (let at = 0; at < sealed.length; at += 7) {
    const bad = Buffer.from(sealed)
    bad[at] = (bad[at] ?? 0) ^ 4
    await storage.save(key, bad)
    expect(isAppError(await failure(store.find(LOG, FILE)), 'damaged')).toBe(true)
  }
  const wrong = [
    [{ ...FILE, name: NAME.replace(/B$/, 'C') }, key.replace(/b$/, 'c')],
    [UNFINISHED, key.replace('logs/', 'logs-unfinished/')],
  ] as const
  for (const [file, other] of wrong) {
    await storage.save(other, sealed)
    const error = await failure(store.find(LOG, file))
    expect(isAppError(error, 'damaged') && error.message).toContain(`it holds ${NAME}`)
  }
})

it.each(['', '../config', '.x', '_x', `${NAME}/x`, 'a b', 'ä', 'x'.repeat(101)])('refuses the name %j', async name => {
  expect(isAppError(await failure(store.save(content(name, Buffer.alloc(1)))), 'usage')).toBe(true)
})

it('says that a storage for files of restic alone keeps no log', async () => {
  const restic = makeLogStore(new MemoryStorage('rest:', undefined, { keys: 'restic' }), randomKeys(systemRandom))
  await expect(restic.save(content(NAME, Buffer.alloc(10)))).rejects.toMatchObject({ code: 'unsupported' })
  expect(await restic.find(LOG, FILE)).toBeUndefined()
  expect(await collect(restic.list(LOG))).toEqual([])
  expect(await restic.listLogs()).toEqual([])
  await restic.remove(LOG, FILE)
})

it('says that an unfinished file cannot grow where nothing is replaced', async () => {
  const locked = makeLogStore(new MemoryStorage('locked:', undefined, { overwrites: false }), randomKeys(systemRandom))
  const partial = (filled: number): LogContent => {
    const bytes = Buffer.concat([Buffer.alloc(filled, 1), Buffer.alloc(100 - filled)])
    return content(NAME, bytes, true)
  }
  expect(await locked.save(partial(10))).toBe('stored')
  expect(await locked.save(partial(10))).toBe('same')
  await expect(locked.save(partial(20))).rejects.toMatchObject({ code: 'unsupported' })
  expect(await locked.save(content(NAME, Buffer.alloc(100, 1)))).toBe('stored')
})

it('never changes or removes what is below "logs/" while a log is stored', async () => {
  const removed: string[] = []
  const replaced: string[] = []
  class Watched extends MemoryStorage {
    override async remove(...args: Parameters<MemoryStorage['remove']>): Promise<void> {
      removed.push(args[0])
      await super.remove(...args)
    }
    override async save(...args: Parameters<MemoryStorage['save']>): Promise<void> {
      if (await this.find(args[0])) replaced.push(args[0])
      await super.save(...args)
    }
  }
  const watched = makeLogStore(new Watched(), randomKeys(systemRandom))
  for (const filled of [10, 20, 100]) {
    const bytes = Buffer.concat([Buffer.alloc(filled, 1), Buffer.alloc(100 - filled)])
    await watched.save(content(NAME, bytes, filled < 100))
  }
  const unfinished = KEY.replace('logs/', 'logs-unfinished/')
  expect({ removed, replaced }).toEqual({ removed: [unfinished], replaced: [unfinished] })
})
