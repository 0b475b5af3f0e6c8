import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  BLOCKS,
  backUp,
  copyStorage,
  engineOptions,
  PASSWORD,
  readBack,
  SteppedClock,
  useCheapKey,
} from '../../../test/helpers/engine.ts'
import { FaultyStorage } from '../../../test/helpers/faulty-storage.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { AppError } from '../../base/errors.ts'
import { Secret } from '../../base/secret.ts'
import type { Finding } from '../../model/finding.ts'
import type { Storage } from '../../storage/storage.ts'
import type { CopyReport } from '../contract/copying.ts'
import type { Snapshot } from '../contract/snapshot.ts'
import { createRepository } from '../create.ts'
import { openRepository } from '../open.ts'
import type { Repository } from '../repository.ts'

const { signal } = new AbortController()
/** Compresses well, and no two blocks are alike. */
const TEXT = Buffer.from(Array.from({ length: 40_000 }, (_, at) => `line ${at}`).join('\n'))

const create = async (storage: Storage, version: 1 | 2 = 2): Promise<Repository> =>
  await createRepository(storage, { ...engineOptions(new SteppedClock()), version })

const open = async (storage: Storage, findings: Finding[] = []): Promise<Repository> =>
  await openRepository(storage, engineOptions(new SteppedClock(), findings))

async function copyAll(from: Repository, to: Repository): Promise<CopyReport> {
  return await to.copyFrom(from, (await from.listSnapshots()).snapshots, { signal })
}

/** Not by `toEqual`, which compares large buffers byte by byte and takes seconds for it. */
async function expectFiles(
  repository: Repository,
  snapshot: Snapshot | undefined,
  wanted: Readonly<Record<string, Buffer>> | undefined,
): Promise<void> {
  const found = snapshot === undefined ? {} : await readBack(repository, snapshot)
  const names = Object.keys(wanted ?? {})
  expect(Object.keys(found).sort()).toEqual(names.sort())
  expect(names.filter(name => !found[name]?.equals(wanted?.[name] ?? Buffer.alloc(0)))).toEqual([])
}

async function expectSound(repository: Repository): Promise<void> {
  expect((await repository.check({ readData: 1, signal })).findings).toEqual([])
}

async function packsOf(storage: Storage): Promise<number[]> {
  const sizes: number[] = []
  for await (const { sizeBytes } of storage.list('data/')) sizes.push(sizeBytes)
  return sizes.sort((a, b) => a - b)
}

let storage: MemoryStorage
let source: Repository

beforeEach(async () => {
  storage = new MemoryStorage('from:')
  source = await create(storage)
})

describe('a copy', () => {
  test.each([
    [1, 1],
    [1, 2],
    [2, 1],
    [2, 2],
  ] as const)('from version %i to version %i gives back what was stored', async (fromVersion, toVersion) => {
    source = await create(new MemoryStorage('other:'), fromVersion)
    const files = { text: TEXT, noise: randomBytes(300_000), empty: Buffer.alloc(0) }
    await backUp(source, files, signal, { tags: ['source:app', 'incomplete'], hostname: 'h' })
    const target = new MemoryStorage('to:')
    const copy = await create(target, toVersion)
    const report = await copyAll(source, copy)
    const [original] = (await source.listSnapshots()).snapshots
    expect(report).toMatchObject({ present: [], leftOut: [], findings: [] })
    expect(report.copied.map(({ from }) => from)).toEqual([original?.id])
    const [copied] = (await copy.listSnapshots()).snapshots
    expect(copied).toEqual({ ...original, id: copied?.id, original: original?.id })
    expect(copied?.id).not.toBe(original?.id)
    await expectFiles(copy, copied, files)
    await expectSound(copy)
    // Compressed where the version allows it, whatever it was before.
    const bytes = (await packsOf(target)).reduce((sum, size) => sum + size, 0)
    const noise = 300_000
    if (toVersion === 2) expect(bytes).toBeLessThan(noise + TEXT.length / 2)
    else expect(bytes).toBeGreaterThan(noise + TEXT.length)
  })

  test('is made once, and brings only what is not there', async () => {
    const shared = randomBytes(400_000)
    await backUp(source, { shared }, signal, { time: new Date(1000) })
    const copy = await create(new MemoryStorage('to:'))
    await backUp(copy, { shared })
    const first = await copyAll(source, copy)
    expect(first.bytesRead).toBeLessThan(50_000)
    expect(first.copied).toHaveLength(1)
    const again = await copyAll(source, copy)
    expect(again).toMatchObject({ copied: [], blobs: 0, bytesStored: 0 })
    expect(again.present).toHaveLength(1)
    // Back to where it came from it is the snapshot that is there.
    expect((await copyAll(copy, source)).present).toContain(first.copied[0]?.snapshot.id)
    expect((await source.listSnapshots()).snapshots).toHaveLength(2)
    await expectSound(copy)
    await expectSound(source)
  })

  test('of a copy names the first of all', async () => {
    const { id } = await backUp(source, { text: TEXT })
    const [second, third] = [await create(new MemoryStorage('2:')), await create(new MemoryStorage('3:'))]
    await copyAll(source, second)
    await copyAll(second, third)
    expect((await third.listSnapshots()).snapshots.map(({ original }) => original)).toEqual([id])
    expect((await copyAll(source, third)).copied).toEqual([])
  })

  test('has no parent', async () => {
    const before = await backUp(source, { text: TEXT })
    const writing = await source.startWriting({ signal })
    const { id: _, ...fields } = before
    await writing.saveSnapshot({ ...fields, parent: before.id, time: new Date(before.time.getTime() + 1000) })
    const copy = await create(new MemoryStorage('to:'))
    expect((await copyAll(source, copy)).copied).toHaveLength(2)
    expect((await copy.listSnapshots()).snapshots.map(({ parent }) => parent)).toEqual([undefined, undefined])
  })

  test('of many small snapshots fills packs over all of them', async () => {
    for (let at = 0; at < 12; at++) await backUp(source, { at: randomBytes(50_000) })
    const target = new MemoryStorage('to:')
    const copy = await create(target)
    expect((await copyAll(source, copy)).copied).toHaveLength(12)
    expect(await packsOf(storage)).toHaveLength(24)
    expect(await packsOf(target)).toHaveLength(2)
    await expectSound(copy)
  })

  test('of many snapshots stores some on the way, and does not list all packs ever more often', async () => {
    for (let at = 0; at < 60; at++) await backUp(source, { at: randomBytes(40_000) }, signal, { time: new Date(at) })
    const target = new FaultyStorage(new MemoryStorage('to:', undefined, { packBytes: 4096 }))
    const copy = await create(target)
    target.calls.length = 0
    expect((await copyAll(source, copy)).copied).toHaveLength(60)
    const lists = target.calls.filter(({ method, key }) => method === 'listKeys' && key === 'data/').length
    // One at the start and one a commit. Every fourth snapshot has 32 packs: that would be 15.
    expect(lists).toBeGreaterThan(4)
    expect(lists).toBeLessThan(12)
    await expectSound(copy)
  })

  test('goes to packs as long as the storage likes', async () => {
    await backUp(source, { noise: randomBytes(40 * 1024 * 1024) }, signal, {
      cut: { kind: 'fixed', blockBytes: 256 * 1024 },
    })
    const target = new MemoryStorage('far:', undefined, { packBytes: 16 * 1024 * 1024, saves: 5 })
    const copy = await create(target)
    await copyAll(source, copy)
    const data = (await packsOf(target)).slice(1)
    expect(data).toHaveLength(3)
    expect(data.slice(1).every(size => size > 14 * 1024 * 1024 && size < 17 * 1024 * 1024)).toBe(true)
    await expectSound(copy)
  })

  test('to itself is refused', async () => {
    await expect(copyAll(source, source)).rejects.toMatchObject({ code: 'usage' })
    await expect(copyAll(source, await open(storage))).rejects.toMatchObject({ code: 'usage' })
  })

  test('to a clone, which has the same keys and names, is none to itself', async () => {
    await useCheapKey(storage)
    const clone = new MemoryStorage('clone:')
    for await (const key of storage.listKeys('')) await clone.save(key, await storage.load(key))
    await backUp(source, { text: TEXT })
    expect((await copyAll(source, await open(clone))).copied).toHaveLength(1)
  })

  test('holds shared locks on both sides', async () => {
    await backUp(source, { noise: randomBytes(100_000) })
    const target = new MemoryStorage('to:')
    const copy = await create(target)
    const [others, othersSource] = [await open(target), await open(storage)]
    const seen: number[] = []
    const { snapshots } = await source.listSnapshots()
    let looking: Promise<void> | undefined
    const onProgress = (): void => {
      looking ??= (async () => {
        for (const side of [others, othersSource]) {
          const locks = await side.listLocks()
          seen.push(locks.filter(({ exclusive }) => !exclusive).length)
        }
      })()
    }
    await copy.copyFrom(source, snapshots, { signal, onProgress })
    await looking
    expect(seen).toEqual([1, 1])
    expect(await others.listLocks()).toEqual([])
    expect(await othersSource.listLocks()).toEqual([])
  })

  test('needs no right to write where it comes from', async () => {
    const snapshot = await backUp(source, { text: TEXT })
    await useCheapKey(storage)
    storage.save = async () => {
      throw new AppError('storage-denied', 'read-only')
    }
    const findings: Finding[] = []
    const copy = await create(new MemoryStorage('to:'))
    const report = await copyAll(await open(storage, findings), copy)
    expect(report.copied.map(({ from }) => from)).toEqual([snapshot.id])
    expect(findings).toMatchObject([{ code: 'not-locked' }])
  })

  test('ends when it is interrupted, and leaves no lock', async () => {
    await backUp(source, { noise: randomBytes(1_000_000) })
    const copy = await create(new MemoryStorage('to:'))
    const stop = new AbortController()
    const { snapshots } = await source.listSnapshots()
    const copying = copy.copyFrom(source, snapshots, { signal: stop.signal, onProgress: () => stop.abort() })
    await expect(copying).rejects.toMatchObject({ code: 'interrupted' })
    expect((await copy.listSnapshots()).snapshots).toEqual([])
    expect(await copy.listLocks()).toEqual([])
    expect(await source.listLocks()).toEqual([])
  })
})

describe('damage', () => {
  async function damage(pack: string, bit = 5000): Promise<void> {
    const bytes = Buffer.from(await storage.load(pack))
    bytes.writeUInt8((bytes[bit] ?? 0) ^ 1, bit)
    await storage.save(pack, bytes)
  }

  async function largestPack(): Promise<string> {
    let largest = { key: '', sizeBytes: 0 }
    for await (const object of storage.list('data/')) if (object.sizeBytes > largest.sizeBytes) largest = object
    return largest.key
  }

  test('is never copied: what needs it is left out and named, all else is there', async () => {
    const hurt = await backUp(source, { noise: randomBytes(500_000) }, signal, { time: new Date(1000) })
    await backUp(source, { other: randomBytes(5000) }, signal, { time: new Date(2000) })
    await damage(await largestPack())
    const copy = await create(new MemoryStorage('to:'))
    const report = await copyAll(source, copy)
    expect(report.leftOut).toEqual([hurt.id])
    expect(report.findings).toMatchObject([{ code: 'pack-damaged', severity: 'error', affects: [hurt.id] }])
    expect(report.copied).toHaveLength(1)
    expect((await copy.listSnapshots()).snapshots).toHaveLength(1)
    await expectSound(copy)
  })

  test('in one pack does not matter where another one has the blob', async () => {
    const content = { noise: randomBytes(300_000) }
    const snapshot = await backUp(source, content)
    const pack = await largestPack()
    await damage(pack)
    // A backup that does not trust the pack stores everything anew.
    const writing = await source.startWriting({ signal })
    const [folder] = await source.loadTree(snapshot.tree)
    const [file] = await source.loadTree(folder?.subtree ?? '')
    writing.distrust('data', file?.content?.[0] ?? '')
    await writing.abort()
    const again = await source.startWriting({ signal })
    again.distrust('data', file?.content?.[0] ?? '')
    let at = 0
    await again.writeContent({
      sizeBytes: content.noise.length,
      cut: BLOCKS,
      read: async into => {
        const part = content.noise.subarray(at, at + into.length)
        into.set(part)
        at += part.length
        return part.length
      },
    })
    const { id: _, ...fields } = snapshot
    await again.saveSnapshot({ ...fields, time: new Date(snapshot.time.getTime() + 1000) })
    const copy = await create(new MemoryStorage('to:'))
    const report = await copyAll(source, copy)
    expect(report).toMatchObject({ leftOut: [], findings: [] })
    const [first] = (await copy.listSnapshots()).snapshots
    await expectFiles(copy, first, content)
    await expectSound(copy)
  })

  test('of a tree, and a pack that is gone, leave out what needs them', async () => {
    const hurt = await backUp(source, { text: TEXT }, signal, { time: new Date(1000) })
    const packs: string[] = []
    for await (const key of storage.listKeys('data/')) packs.push(key)
    await backUp(source, { other: randomBytes(5000) }, signal, { time: new Date(2000) })
    for (const key of packs) await storage.remove(key)
    const copy = await create(new MemoryStorage('to:'))
    const report = await copyAll(await open(storage), copy)
    expect(report.leftOut).toEqual([hurt.id])
    expect(report.findings.every(({ affects }) => affects?.includes(hurt.id))).toBe(true)
    expect(report.copied).toHaveLength(1)
    await expectSound(copy)
  })
})

test('a copy that is stopped at any step goes on, and no step leaves anything but sound snapshots', async () => {
  const files: Array<Record<string, Buffer>> = []
  const snapshots: Snapshot[] = []
  for (let at = 0; at < 3; at++) {
    files.push({ noise: randomBytes(20_000), text: Buffer.from(`text ${at}`) })
    snapshots.push(await backUp(source, files[at] ?? {}, signal, { time: new Date(at * 1000) }))
  }
  const empty = new MemoryStorage('to:')
  await (await create(empty)).close()
  await useCheapKey(empty)
  for (let changes = 0; ; changes++) {
    const target = await copyStorage(empty)
    const faulty = new FaultyStorage(target, { stopAfterChanges: changes })
    const stopped = await open(faulty)
    const outcome = await stopped.copyFrom(source, snapshots, { signal }).catch((error: unknown) => error)
    const copy = await open(target)
    await copy.unlock({ all: true })
    for (const snapshot of (await copy.listSnapshots()).snapshots) await readBack(copy, snapshot)
    await copyAll(source, copy)
    const copied = (await copy.listSnapshots()).snapshots
    expect(copied.map(({ original }) => original)).toEqual(snapshots.map(({ id }) => id))
    for (const [at, snapshot] of copied.entries()) await expectFiles(copy, snapshot, files[at])
    const { findings } = await copy.check({ readData: 1, signal })
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([])
    if (!(outcome instanceof Error)) return
  }
})

test('what was stored and indexed before a stop is not copied again', async () => {
  const snapshot = await backUp(source, { noise: randomBytes(3_000_000) })
  const target = new MemoryStorage('to:')
  const copy = await create(target)
  // The lock, the packs and the index are there, the snapshot is not.
  const faulty = new FaultyStorage(target)
  const stopped = await openRepository(faulty, { ...engineOptions(new SteppedClock()), password: new Secret(PASSWORD) })
  faulty.faults = { stopAfterChanges: 4 }
  await expect(stopped.copyFrom(source, [snapshot], { signal })).rejects.toMatchObject({ code: 'storage-failed' })
  expect(faulty.calls.filter(({ method, key }) => method === 'save' && key.startsWith('index/'))).toHaveLength(1)
  await copy.unlock({ all: true })
  expect(await copyAll(source, copy)).toMatchObject({
    blobs: 0,
    bytesRead: 0,
    bytesStored: 0,
    copied: [{ from: snapshot.id }],
  })
  await expectSound(copy)
})
