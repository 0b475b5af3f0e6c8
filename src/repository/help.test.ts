import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { backUp, engineOptions, SteppedClock, useCheapKey } from '../../test/helpers/engine.ts'
import { FaultyStorage } from '../../test/helpers/faulty-storage.ts'
import { MemoryStorage } from '../../test/helpers/memory-storage.ts'
import type { Id } from '../model/node.ts'
import {
  type Contents,
  createRepository,
  type FileToWrite,
  openRepository,
  type Repository,
  type Snapshot,
} from './index.ts'

/** Ten blocks, so that they lie at places of their own. */
const FILES = { db: randomBytes(40_960), other: randomBytes(20_480) }
const signal = new AbortController().signal

let folder: string
let near: { storage: FaultyStorage; memory: MemoryStorage; repository: Repository }
let far: typeof near
let snapshot: Snapshot
let taken: { blobs: number; bytes: number }

async function make(name: string): Promise<typeof near> {
  const memory = new MemoryStorage(name)
  const storage = new FaultyStorage(memory)
  const repository = await createRepository(storage, engineOptions(new SteppedClock()))
  return { storage, memory, repository }
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-help-'))
  near = await make('near:')
  far = await make('far:')
  taken = { blobs: 0, bytes: 0 }
  snapshot = await backUp(near.repository, FILES)
  await far.repository.copyFrom(near.repository, [snapshot], { signal })
  await Promise.all([useCheapKey(near.memory), useCheapKey(far.memory)])
})

afterEach(async () => {
  await Promise.all([near.repository.close(), far.repository.close()])
  await rm(folder, { recursive: true, force: true })
})

/** With empty caches, as another process. */
async function reopened(): Promise<Contents> {
  await Promise.all([near.repository.close(), far.repository.close()])
  near.repository = await openRepository(near.storage, engineOptions(new SteppedClock()))
  far.repository = await openRepository(far.storage, engineOptions(new SteppedClock()))
  const onTaken = (blobs: number, bytes: number): void => {
    taken = { blobs: taken.blobs + blobs, bytes: taken.bytes + bytes }
  }
  return near.repository.withHelp([{ open: async () => far.repository, onTaken }])
}

async function contentOf(contents: Contents, name: string): Promise<readonly Id[]> {
  const [root] = await contents.loadTree(snapshot.tree)
  const nodes = await contents.loadTree(root?.subtree ?? '')
  return [...nodes].find(node => node.name === name)?.content ?? []
}

/** The pack of data, whose blobs are in the order of the content. */
async function dataPack({ memory }: typeof near): Promise<string> {
  let biggest = { key: '', sizeBytes: 0 }
  for await (const object of memory.list('data/')) if (object.sizeBytes > biggest.sizeBytes) biggest = object
  return biggest.key
}

async function flip(place: typeof near, block: number): Promise<void> {
  const key = await dataPack(place)
  const bytes = Buffer.from(await place.memory.load(key))
  const at = block * 4128 + 100
  bytes.writeUInt8((bytes[at] ?? 0) ^ 1, at)
  await place.memory.save(key, bytes)
}

async function removeAll({ memory }: typeof near, prefix: string): Promise<void> {
  const keys: string[] = []
  for await (const key of memory.listKeys(prefix)) keys.push(key)
  for (const key of keys) await memory.remove(key)
}

type Damage = (place: typeof near) => Promise<void>

const DAMAGES: ReadonlyArray<readonly [string, Damage]> = [
  ['a flipped byte', place => flip(place, 3)],
  ['a pack that is gone', async place => place.memory.remove(await dataPack(place))],
  ['all packs gone, trees too', place => removeAll(place, 'data/')],
  ['an index that is gone', place => removeAll(place, 'index/')],
  ['everything gone', place => removeAll(place, '')],
]

/** What all ways of reading give for one file. */
const WAYS: ReadonlyArray<readonly [string, (contents: Contents) => Promise<Buffer>]> = [
  [
    'restored',
    async contents => {
      const path = join(folder, 'db')
      const file: FileToWrite = { path, content: await contentOf(contents, 'db'), sizeBytes: 40_960, delta: false }
      await contents.restoreFiles([file], { signal })
      return await readFile(path)
    },
  ],
  [
    'read',
    async contents => {
      const parts: Buffer[] = []
      for await (const part of contents.readContent(await contentOf(contents, 'db'), signal)) parts.push(part)
      return Buffer.concat(parts)
    },
  ],
  [
    'read blob by blob',
    async contents => {
      const parts: Buffer[] = []
      for (const id of await contentOf(contents, 'db')) parts.push(await contents.loadBlob('data', id))
      return Buffer.concat(parts)
    },
  ],
]

describe.each(DAMAGES)('%s', (_, damage) => {
  test.each(WAYS)('in the near repository: a file is %s with what the far one has', async (_way, read) => {
    // Opened before: a repository that is away afterwards.
    const contents = await reopened()
    await damage(near)
    expect((await read(contents)).equals(FILES.db)).toBe(true)
    expect(taken.blobs).toBeGreaterThan(0)
    expect(taken.bytes).toBeGreaterThan(0)
  })

  test('in the near repository fails a read that nobody helps', async () => {
    await reopened()
    await damage(near)
    await expect(
      contentOf(near.repository, 'db').then(read => near.repository.loadBlob('data', read[3] ?? '')),
    ).rejects.toThrow(/cannot read|no index/)
  })
})

test('as long as nothing is damaged others are asked nothing', async () => {
  const contents = await reopened()
  far.storage.calls.length = 0
  for (const [, read] of WAYS) expect((await read(contents)).equals(FILES.db)).toBe(true)
  expect(far.storage.calls).toEqual([])
  expect(taken).toEqual({ blobs: 0, bytes: 0 })
})

test.each(WAYS)('of two that are damaged at different places a file is %s whole', async (_way, read) => {
  await flip(near, 3)
  await flip(far, 7)
  expect((await read(await reopened())).equals(FILES.db)).toBe(true)
  expect(taken).toEqual({ blobs: 1, bytes: 4096 })
})

test.each(WAYS)('where both lost the same blob nothing wrong is %s, and the error names both', async (_way, read) => {
  await flip(near, 3)
  await flip(far, 3)
  const error = await read(await reopened()).catch((failure: unknown) => failure)
  expect(error).toMatchObject({ code: 'damaged', message: expect.stringMatching(/pack [0-9a-f]{8}.*far:: pack/) })
})

test.each(WAYS)('a storage that fails at any call is no hindrance: a file is %s', async (_way, read) => {
  for (let call = 1; ; call++) {
    const contents = await reopened()
    const before = near.storage.calls.length
    near.storage.faults = { failCall: before + call }
    expect((await read(contents)).equals(FILES.db)).toBe(true)
    near.storage.faults = {}
    await removeAll(near, 'locks/')
    if (near.storage.calls.length < before + call) break
  }
})

test('one that stays away after long trying is asked once, not for each blob', async () => {
  const contents = await reopened()
  const content = await contentOf(contents, 'db')
  Object.assign(near.storage, { stopped: true })
  Object.defineProperty(near.storage, 'traits', { value: { ...near.memory.traits, retryMs: 60_000 } })
  let asked = 0
  const load = near.storage.load.bind(near.storage)
  near.storage.load = async (...args) => {
    if (args[0].startsWith('data/')) asked++
    return await load(...args)
  }
  const parts: Buffer[] = []
  for await (const part of contents.readContent(content, signal)) parts.push(part)
  expect(Buffer.concat(parts).equals(FILES.db)).toBe(true)
  // The loads that were under way at once.
  expect(asked).toBeLessThan(4)
})

describe.each(DAMAGES.slice(0, 4))('%s in the source', (_, damage) => {
  test('of a copy: what it lost is taken from a third repository, and everything is copied', async () => {
    await reopened()
    await damage(near)
    const third = await make('third:')
    const helpers = [{ open: async () => far.repository, onTaken: (blobs: number) => (taken.blobs += blobs) }]
    const report = await third.repository.copyFrom(near.repository, [snapshot], { signal, helpers })
    expect(report).toMatchObject({ leftOut: [], copied: [{ from: snapshot.id }] })
    expect(report.findings.filter(({ severity }) => severity === 'error')).toEqual([])
    expect(taken.blobs).toBeGreaterThan(0)
    const { findings } = await third.repository.check({ readData: 1, signal })
    expect(findings).toEqual([])
    await third.repository.close()
  })
})
