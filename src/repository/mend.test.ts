import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { backUp, engineOptions, readBack, SteppedClock, useCheapKey } from '../../test/helpers/engine.ts'
import { MemoryStorage } from '../../test/helpers/memory-storage.ts'
import type { Finding } from '../model/finding.ts'
import { createRepository, type FileToWrite, openRepository, type Repository, type Snapshot } from './index.ts'

const FILES = { db: randomBytes(60_000), other: randomBytes(30_000) }
const signal = new AbortController().signal
const clock = new SteppedClock()

let storage: MemoryStorage
let cacheDir: string
let findings: Finding[]
let repository: Repository

beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'lifeboat-mend-'))
  storage = new MemoryStorage()
  findings = []
  await (await createRepository(storage, engineOptions(clock))).close()
  await useCheapKey(storage)
  repository = await open()
  await backUp(repository, FILES)
})

afterEach(async () => {
  await repository.close()
  await rm(cacheDir, { recursive: true, force: true })
})

const open = (): Promise<Repository> => openRepository(storage, { ...engineOptions(clock, findings), cacheDir })

async function biggestPack(): Promise<string> {
  let biggest = { key: '', sizeBytes: 0 }
  for await (const object of storage.list('data/')) if (object.sizeBytes > biggest.sizeBytes) biggest = object
  return biggest.key
}

async function damage(key: string, change: (bytes: Buffer) => Buffer): Promise<void> {
  await storage.save(key, change(Buffer.from(await storage.load(key))))
}

const flip = (bytes: Buffer): Buffer => {
  bytes[20_000] = (bytes[20_000] ?? 0) ^ 1
  return bytes
}

const errorsOf = async (readData: number): Promise<Finding[]> =>
  (await repository.check({ readData, signal })).findings.filter(finding => finding.severity === 'error')

test('a backup stores anew what was in a pack that is gone, without a check before', async () => {
  const pack = await biggestPack()
  await storage.remove(pack)
  const again = await backUp(repository, FILES)
  expect(findings).toMatchObject([{ code: 'pack-missing', subject: `pack ${pack.slice(-64).slice(0, 8)}` }])
  expect(await readBack(repository, again)).toEqual(FILES)
  await repository.prune({ signal, dryRun: false })
  expect(await errorsOf(1)).toEqual([])
})

test.each([
  ['flipped', flip, 1],
  ['cut', (bytes: Buffer) => bytes.subarray(0, 50_000), 0],
])(
  'after a check a backup stores anew what was in a %s pack, also from another process',
  async (_name, change, read) => {
    await damage(await biggestPack(), change)
    expect(await errorsOf(read)).toHaveLength(1)
    await repository.close()
    repository = await open()
    const again = await backUp(repository, FILES)
    expect(await readBack(repository, again)).toEqual(FILES)
    const { bytesAfter } = await repository.prune({ signal, dryRun: false })
    expect(await errorsOf(1)).toEqual([])
    expect(await readBack(repository, again)).toEqual(FILES)
    // Stored once; and nothing is stored anew for ever.
    expect(bytesAfter).toBeLessThan(100_000)
    await backUp(repository, FILES)
    expect((await repository.prune({ signal, dryRun: true })).bytesBefore).toBeLessThan(100_000)
  },
)

/** The one file's content, wherever it is damaged. */
async function databaseOf(snapshot: Snapshot): Promise<FileToWrite> {
  const [root] = await repository.loadTree(snapshot.tree)
  const node = [...(await repository.loadTree(root?.subtree ?? ''))].find(({ name }) => name === 'db')
  const { content = [], sizeBytes = 0 } = node ?? {}
  return { path: join(cacheDir, 'db'), content, sizeBytes, delta: false }
}

async function drain(parts: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of parts);
}

test.each<[string, (file: FileToWrite) => Promise<unknown>]>([
  ['restore', file => repository.restoreFiles([file], { signal })],
  ['read', file => drain(repository.readContent(file.content))],
  ['read of each blob', file => Promise.all(file.content.map(id => repository.loadBlob('data', id)))],
])('after a failed %s a backup stores anew what was damaged, also from another process', async (_name, read) => {
  for (const change of [flip, (bytes: Buffer) => bytes.subarray(0, 50_000)]) {
    const first = await backUp(repository, FILES)
    await damage(await biggestPack(), change)
    await expect(read(await databaseOf(first))).rejects.toMatchObject({ code: 'damaged' })
    await repository.close()
    repository = await open()
    const again = await backUp(repository, FILES)
    expect(await readBack(repository, again)).toEqual(FILES)
    expect(await readBack(repository, first)).toEqual(FILES)
  }
})

test('after a tree could not be read a backup stores it anew', async () => {
  const first = await backUp(repository, FILES)
  const packs: string[] = []
  for await (const { key } of storage.list('data/')) if (key !== (await biggestPack())) packs.push(key)
  for (const key of packs) await damage(key, bytes => bytes.fill(0, 0, 20))
  await expect(readBack(repository, first)).rejects.toMatchObject({ code: 'damaged' })
  await backUp(repository, FILES)
  // One tree after the other: what lies below a damaged one is not seen.
  await readBack(repository, first).catch(() => {})
  const again = await backUp(repository, FILES)
  expect(await readBack(repository, again)).toEqual(FILES)
})

test('a pack that is only out of reach for a while is not held to be bad for ever', async () => {
  const pack = await biggestPack()
  const bytes = await storage.load(pack)
  const first = await backUp(repository, FILES)
  const file = await databaseOf(first)
  await storage.remove(pack)
  await expect(repository.restoreFiles([file], { signal })).rejects.toMatchObject({ code: 'damaged' })
  await storage.save(pack, bytes)
  const before = (await repository.statistics()).packs
  await backUp(repository, FILES)
  expect((await repository.statistics()).packs).toBe(before)
})

test('of two copies prune keeps the whole one, also where no check was made', async () => {
  const pack = await biggestPack()
  const whole = await storage.load(pack)
  await storage.remove(pack)
  const again = await backUp(repository, FILES)
  await storage.save(pack, flip(Buffer.from(whole)))
  await repository.prune({ signal, dryRun: false })
  expect(await errorsOf(1)).toEqual([])
  expect(await readBack(repository, again)).toEqual(FILES)
})

test('prune refuses to touch anything while what is needed is gone', async () => {
  await storage.remove(await biggestPack())
  await expect(repository.prune({ signal, dryRun: false })).rejects.toMatchObject({
    code: 'damaged',
    message: expect.stringContaining('is missing'),
  })
})

test('a backup stores anew what a copy to another repository found damaged', async () => {
  await damage(await biggestPack(), flip)
  const copy = await createRepository(new MemoryStorage('to:'), engineOptions(clock))
  const { snapshots } = await repository.listSnapshots()
  expect((await copy.copyFrom(repository, snapshots, { signal })).leftOut).toHaveLength(1)
  expect(await readBack(repository, await backUp(repository, FILES))).toEqual(FILES)
})
