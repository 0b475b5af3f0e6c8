import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  backUp,
  contentOf,
  engineOptions,
  PASSWORD,
  readBack,
  SteppedClock,
  useCheapKey,
} from '../../test/helpers/engine.ts'
import { FaultyStorage } from '../../test/helpers/faulty-storage.ts'
import { MemoryStorage } from '../../test/helpers/memory-storage.ts'
import { makeTempDir } from '../../test/helpers/tempdir.ts'
import { systemRandom } from '../base/random.ts'
import { Secret } from '../base/secret.ts'
import type { Finding } from '../model/finding.ts'
import type { TreeNode } from '../model/node.ts'
import { createRepository, openRepository, type Repository } from './index.ts'
import { KeyHint } from './key/key-hint.ts'

const signal = new AbortController().signal
const FILES = { db: randomBytes(40_960), other: randomBytes(20_480) }
const DAY_MS = 24 * 60 * 60_000

const setUp = async () => {
  const cacheDir = join(makeTempDir(), 'cache')
  const memory = new MemoryStorage('far:', undefined, { isFar: true })
  const storage = new FaultyStorage(memory)
  const clock = new SteppedClock()
  const findings: Finding[] = []
  const options = { ...engineOptions(clock, findings), cacheDir }
  await (await createRepository(storage, engineOptions(clock))).close()
  await useCheapKey(memory)
  const open = (): Promise<Repository> => openRepository(storage, options)
  const kept = (repository: Repository): string => join(cacheDir, repository.id, 'kept')
  /** Method and folder of each call that the work makes. */
  const callsOf = async (work: () => Promise<unknown>): Promise<string[]> => {
    storage.calls.length = 0
    await work()
    return storage.calls.map(({ method, key }) => `${method} ${key.replace(/\/.*/, '')}`)
  }
  return { memory, storage, clock, findings, options, open, kept, callsOf }
}

test('a backup after one of the same files makes the calls that safety needs and no other', async () => {
  const { open, callsOf } = await setUp()
  await backUp(await open(), FILES)
  const calls = await callsOf(async () => {
    const repository = await open()
    await repository.listSnapshots()
    await backUp(repository, FILES)
  })
  expect(calls.sort()).toEqual([
    'list locks',
    'listKeys index',
    'listKeys locks',
    'listKeys snapshots',
    'load config',
    'load keys',
    'remove locks',
    'save locks',
    'save snapshots',
  ])
})

test('trees that were written are read without a call, and so is what is said to be read again', async () => {
  const { open, callsOf } = await setUp()
  const first = await open()
  const snapshot = await backUp(first, FILES)
  const writing = await first.startWriting({ signal })
  const text = randomBytes(300_000)
  const { content } = await writing.writeContent(contentOf(text, { kind: 'content' }), { isKept: true })
  await writing.saveSnapshot({ ...snapshot, tags: ['again'] })
  const second = await open()
  const calls = await callsOf(async () => {
    const [folder] = await second.loadTree(snapshot.tree)
    expect([...(await second.loadTree(folder?.subtree ?? ''))].map(node => node.name)).toEqual(['db', 'other'])
    expect((await second.loadContent(content)).equals(text)).toBe(true)
  })
  expect(calls).toEqual(['listKeys index'])
})

test('on another machine one tree is loaded alone, then all of its pack, and a content once', async () => {
  const { storage, options, callsOf } = await setUp()
  const first = await openRepository(storage, { ...options, cacheDir: undefined })
  const snapshot = await backUp(first, FILES)
  const [folder] = await first.loadTree(snapshot.tree)
  const nodes = [...(await first.loadTree(folder?.subtree ?? ''))]
  const second = await openRepository(storage, options)
  const read = async (): Promise<void> => {
    await second.loadTree(snapshot.tree)
    await second.loadTree(folder?.subtree ?? '')
    await second.loadTree(snapshot.tree)
    expect(await second.loadContent(nodes[0]?.content ?? [])).toEqual(FILES.db)
  }
  expect(await callsOf(read)).toEqual(['listKeys index', 'load index', 'load data', 'load data', 'load data'])
  expect(await callsOf(read)).toEqual([])
})

test('what is kept here and was changed is noticed, and asked for again', async () => {
  const { open, kept, callsOf } = await setUp()
  const repository = await open()
  const snapshot = await backUp(repository, FILES)
  const writing = await repository.startWriting({ signal })
  const { content } = await writing.writeContent(contentOf(FILES.db, { kind: 'content' }), { isKept: true })
  await writing.saveSnapshot({ ...snapshot, tags: ['again'] })
  const names = readdirSync(kept(repository))
  expect(new Set(names.map(name => name.split('-')[0]))).toEqual(new Set(['content', 'pack']))
  for (const name of names) {
    const file = join(kept(repository), name)
    const bytes = readFileSync(file)
    bytes[30] = (bytes[30] ?? 0) ^ 1
    writeFileSync(file, bytes)
  }
  const calls = await callsOf(async () => {
    expect(await readBack(repository, snapshot)).toEqual(FILES)
    expect(await repository.loadContent(content)).toEqual(FILES.db)
  })
  expect(calls).toContain('load data')
  await repository.loadTree(snapshot.tree)
  expect(await callsOf(() => repository.loadTree(snapshot.tree))).toEqual([])
})

test('a check believes nothing that is kept here', async () => {
  const { memory, open, callsOf } = await setUp()
  const repository = await open()
  const snapshot = await backUp(repository, FILES)
  for await (const key of memory.listKeys('data/')) await memory.remove(key)
  expect(await callsOf(() => repository.loadTree(snapshot.tree))).toEqual([])
  const { findings } = await repository.check({ readData: 0, signal })
  expect(findings.map(({ code }) => code)).toContain('pack-missing')
})

test('where objects are locked, all keys are listed each time, so that each stays locked', async () => {
  const { memory, open, callsOf } = await setUp()
  Object.assign(memory, { retention: { lock: { days: 1 } } })
  const hint = new KeyHint(memory, makeTempDir(), systemRandom)
  await hint.keep('a'.repeat(64))
  expect(await hint.load()).toBeUndefined()
  Object.assign(memory, { retention: undefined })
  await open()
  expect(await callsOf(open)).not.toContain('listKeys keys')
})

test('a check of many folders loads each pack of trees once more, not each tree', async () => {
  const { open, callsOf } = await setUp()
  const repository = await open()
  const writing = await repository.startWriting({ signal })
  const folders: TreeNode[] = []
  for (let at = 0; at < 30; at++) {
    const empty = { mode: 0o700, mtimeNs: BigInt(at), uid: 0, gid: 0 }
    const subtree = await writing.saveTree([{ ...empty, name: 'below', type: 'file', sizeBytes: 0, content: [] }])
    folders.push({ ...empty, name: `folder ${String(at)}`, type: 'dir', subtree })
  }
  const tree = await writing.saveTree(folders)
  const time = new Date()
  await writing.saveSnapshot({ time, tree, paths: ['/x'], hostname: 'h', username: 'u', tags: [] })
  const calls = await callsOf(async () =>
    expect((await repository.check({ readData: 0, signal })).findings).toEqual([]),
  )
  // Its header, one tree, then all of it.
  expect(calls.filter(call => call === 'load data')).toHaveLength(3)
})

test('whether all packs are there is looked at once a day, and each time once one is missing', async () => {
  const { memory, clock, findings, open, callsOf } = await setUp()
  const looked = async (): Promise<boolean> =>
    (await callsOf(async () => backUp(await open(), FILES))).includes('listKeys data')
  expect([await looked(), await looked()]).toEqual([true, false])
  for await (const key of memory.listKeys('data/')) await memory.remove(key)
  clock.advance(DAY_MS)
  expect([await looked(), findings.map(({ code }) => code)]).toEqual([true, ['pack-missing']])
  // The index names them until the next prune.
  expect(await looked()).toBe(true)
})

test('the key that opened it last is asked for at once, and others when it is gone or does not open', async () => {
  const { options, storage, open, callsOf } = await setUp()
  await (await open()).close()
  expect(await callsOf(open)).toEqual(['load config', 'load keys'])
  const wrong = { ...options, password: new Secret('wrong') }
  await expect(openRepository(storage, wrong)).rejects.toMatchObject({ code: 'wrong-password' })
  const repository = await open()
  await repository.changePassword(new Secret('another'))
  await expect(open()).rejects.toMatchObject({ code: 'wrong-password' })
  await (await openRepository(storage, { ...options, password: new Secret('another') })).addKey(new Secret(PASSWORD))
  expect(await callsOf(open)).toContain('listKeys keys')
  expect(await callsOf(open)).toEqual(['load config', 'load keys'])
})
