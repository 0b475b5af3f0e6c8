import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { SteppedClock } from '../../../test/helpers/engine.ts'
import { FaultyStorage } from '../../../test/helpers/faulty-storage.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { fileNode, SmallRepository } from '../../../test/helpers/small-repository.ts'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { systemRandom } from '../../base/random.ts'
import type { CheckReport, ReadData } from '../contract/maintenance.ts'
import { check } from './check.ts'
import { ReadMemory } from './read-memory.ts'
import { chooseToRead } from './reading-plan.ts'

const signal = new AbortController().signal
const DAY_MS = 24 * 60 * 60 * 1000

let storage: FaultyStorage
let repository: SmallRepository
let clock: SteppedClock
let cacheDir: string

beforeEach(async () => {
  storage = new FaultyStorage(new MemoryStorage())
  repository = new SmallRepository(storage)
  clock = new SteppedClock()
  cacheDir = makeTempDir()
  await repository.addSmallFiles()
  await addPacks(20)
})

/** Of one file each, and one of their tree. */
async function addPacks(count: number): Promise<void> {
  const nodes: ReturnType<typeof fileNode>[] = []
  const packs: Awaited<ReturnType<SmallRepository['savePack']>>[] = []
  for (let at = 0; at < count - 1; at++) {
    nodes.push(fileNode(`file${at}`, [repository.addBlob('data', randomBytes(1000))], 1000))
    packs.push(await repository.savePack())
  }
  const tree = repository.addTree(nodes)
  packs.push(await repository.savePack())
  await repository.saveIndex(packs)
  await repository.saveSnapshot(tree, clock.now())
}

/** As another process does it, a day later. */
async function checkNextDay(readData: ReadData): Promise<CheckReport> {
  clock.advance(DAY_MS)
  const memory = new ReadMemory(cacheDir, systemRandom)
  return await check({ ...repository.context, memory, clock }, { readData, signal })
}

const packsLoadedWhole = (): string[] => storage.calls.flatMap(({ method, key }) => (method === 'load' ? [key] : []))

test('ten daily runs at 10 % read every pack, and say how far they are', async () => {
  const covered: number[] = []
  for (let day = 0; day < 10; day++) covered.push((await checkNextDay(0.1)).coverage.packsRead)
  expect(covered.every((packs, day) => packs >= 2 * (day + 1) || packs === 20)).toBe(true)
  const { coverage } = await checkNextDay(0)
  expect(coverage).toMatchObject({ packsRead: 20, packsNeverRead: 0, readBytes: coverage.totalBytes })
  expect(clock.now().getTime() - (coverage.oldestReadAt?.getTime() ?? 0)).toBeLessThan(11 * DAY_MS)
})

test('a new pack is read before those that were read already', async () => {
  await checkNextDay(1)
  await addPacks(3)
  const { coverage, packsRead } = await checkNextDay(0.1)
  expect(packsRead).toBeLessThan(6)
  expect(coverage.packsNeverRead).toBe(0)
})

test('what was read longest ago is read next', async () => {
  const memory = new ReadMemory(undefined, systemRandom)
  const packs = ['aa', 'bb', 'cc', 'dd'].map(id => ({ id: id.repeat(32), sizeBytes: 100 }))
  for (const [at, { id }] of packs.entries()) memory.noteSound(id, new Date((10 - at) * DAY_MS))
  const chosen = (readData: ReadData): string =>
    chooseToRead(packs, readData, memory, systemRandom)
      .map(id => id[0])
      .join('')
  expect([chosen(0.25), chosen(0.5), chosen({ bytes: 201 }), chosen({ bytes: 1 }), chosen(1), chosen(0)]).toEqual([
    'd',
    'dc',
    'dcb',
    'd',
    'abcd',
    '',
  ])
})

test('the subsets n/t are disjoint and together everything, by the first byte of the id as in restic', async () => {
  const packs = Array.from({ length: 200 }, () => ({ id: randomBytes(32).toString('hex'), sizeBytes: 1 }))
  const memory = new ReadMemory(undefined, systemRandom)
  const parts = [1, 2, 3, 4, 5, 6, 7].map(subset => chooseToRead(packs, { subset, of: 7 }, memory, systemRandom))
  expect(parts.flat().toSorted()).toEqual(packs.map(({ id }) => id).toSorted())
  for (const [at, ids] of parts.entries()) {
    expect(new Set(ids.map(id => Number.parseInt(id.slice(0, 2), 16) % 7))).toEqual(new Set([at]))
  }
})

test('a pack that is damaged does not count as read', async () => {
  await checkNextDay(1)
  const pack = packsLoadedWhole().findLast(key => key.startsWith('data/')) ?? ''
  const bytes = await storage.inner.load(pack)
  bytes[20] = (bytes[20] ?? 0) ^ 1
  await storage.inner.save(pack, bytes)
  const { coverage, findings } = await checkNextDay(1)
  expect(findings.filter(({ severity }) => severity === 'error')).not.toEqual([])
  expect(coverage).toMatchObject({ packsRead: 19, packsNeverRead: 1 })
})

test('a check that is stopped keeps what it has read', async () => {
  storage.faults = { failCall: storage.calls.length + 22 }
  await expect(checkNextDay(1)).rejects.toMatchObject({ code: 'storage-failed' })
  storage.faults = {}
  const { coverage } = await checkNextDay(0)
  expect(coverage.packsRead).toBeGreaterThan(0)
  expect(coverage.packsNeverRead).toBeGreaterThan(0)
})

test('a memory that is cut or forged costs nothing but the order', async () => {
  await checkNextDay(1)
  const file = join(cacheDir, 'packs-read')
  const bytes = readFileSync(file)
  for (const forged of [bytes.subarray(0, 50), randomBytes(1000), Buffer.alloc(0), Buffer.from('LBREAD1\n')]) {
    writeFileSync(file, forged)
    expect((await checkNextDay(1)).coverage.packsRead).toBe(20)
  }
  expect(readdirSync(cacheDir)).toEqual(['packs-read'])
})

test('the memory of 200 000 packs takes 2.4 MB and forgets those that are gone', async () => {
  const memory = new ReadMemory(cacheDir, systemRandom)
  const ids = Array.from({ length: 200_000 }, (_, at) => at.toString(16).padStart(16, '0').padEnd(64, '0'))
  for (const id of ids) memory.noteSound(id, clock.now())
  await memory.save(ids)
  expect(statSync(join(cacheDir, 'packs-read')).size).toBe(8 + 200_000 * 12)
  await memory.save(ids.slice(0, 10))
  const again = new ReadMemory(cacheDir, systemRandom)
  await again.load()
  expect([again.readAt(ids[9] ?? '') !== undefined, again.readAt(ids[10] ?? '')]).toEqual([true, undefined])
})
