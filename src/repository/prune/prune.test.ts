import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { backUp, engineOptions, readBack, SteppedClock, useCheapKey } from '../../../test/helpers/engine.ts'
import { FaultyStorage } from '../../../test/helpers/faulty-storage.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import type { Finding } from '../../model/finding.ts'
import type { SaveOptions, StorageCallOptions, StorageTraits } from '../../storage/storage.ts'
import { lockedUntil, storageError } from '../../storage/storage-error.ts'
import { createRepository, openRepository, type Repository, type Snapshot } from '../index.ts'

const signal = new AbortController().signal
const UNTIL = new Date('2027-03-01T00:00:00Z')

/** What happens to an object can be watched, or refused for a lock. */
class WatchedStorage extends FaultyStorage {
  before: (verb: 'save' | 'remove' | 'list', key: string) => Promise<void> = async () => {}
  locked: (key: string) => boolean = () => false
  overwrites = true

  override get traits(): StorageTraits {
    return { ...this.inner.traits, overwrites: this.overwrites }
  }

  override async save(key: string, content: Uint8Array | readonly Uint8Array[], options?: SaveOptions): Promise<void> {
    await this.before('save', key)
    await super.save(key, content, options)
  }

  override async remove(key: string, options?: StorageCallOptions): Promise<void> {
    await this.before('remove', key)
    if (this.locked(key)) {
      throw lockedUntil(storageError('storage-locked', { verb: 'remove', key, location: this.location }), UNTIL)
    }
    await super.remove(key, options)
  }

  override async *list(prefix: string, options?: StorageCallOptions) {
    await this.before('list', prefix)
    yield* super.list(prefix, options)
  }

  async keys(prefix = ''): Promise<string[]> {
    const keys: string[] = []
    for await (const key of this.inner.listKeys(prefix)) keys.push(key)
    return keys.sort()
  }
}

let storage: WatchedStorage
let clock: SteppedClock
let repository: Repository
let old: Record<string, Buffer>
let kept: Record<string, Buffer>
let keptSnapshot: Snapshot

const PARTS = 6
const TREE_PACKS = 8
const PART_BYTES = 10 * 4096

/** Of the old snapshots, which are gone, half of each pack is needed by the kept one; and of one pack nothing. */
beforeEach(async () => {
  clock = new SteppedClock()
  storage = new WatchedStorage(new MemoryStorage('memory:', () => clock.now()))
  await (await createRepository(storage, engineOptions(clock))).close()
  await useCheapKey(storage)
  repository = await open()
  old = {}
  kept = {}
  const gone: Snapshot[] = [await backUp(repository, { unneeded: randomBytes(PART_BYTES) })]
  for (let part = 0; part < PARTS; part++) {
    const bytes = randomBytes(PART_BYTES)
    old[`part${part}`] = bytes
    gone.push(await backUp(repository, { part: bytes }))
    kept[`part${part}`] = Buffer.concat([bytes.subarray(0, PART_BYTES / 2), randomBytes(PART_BYTES / 2)])
  }
  keptSnapshot = await backUp(repository, kept)
  await repository.removeSnapshots(gone.map(({ id }) => id))
})

afterEach(async () => {
  await repository.close()
})

function open(findings: Finding[] = []): Promise<Repository> {
  return openRepository(storage, engineOptions(clock, findings))
}

async function expectWhole(...snapshots: ReadonlyArray<readonly [Snapshot, Record<string, Buffer>]>): Promise<void> {
  const fresh = await open()
  try {
    const errors = (await fresh.check({ readData: 1, signal })).findings.filter(({ severity }) => severity !== 'info')
    expect(errors).toEqual([])
    for (const [snapshot, files] of snapshots) {
      const found = await readBack(fresh, snapshot)
      for (const [name, bytes] of Object.entries(files)) expect(found[name]?.equals(bytes)).toBe(true)
    }
  } finally {
    await fresh.close()
  }
}

/** Runs `work` before the n-th call that fits. */
function once(fits: (verb: string, key: string) => boolean, work: () => Promise<void>, number = 1): { ran: boolean } {
  const state = { ran: false }
  let calls = 0
  storage.before = async (verb, key) => {
    if (state.ran || !fits(verb, key) || ++calls < number) return
    state.ran = true
    await work()
  }
  return state
}

const prune = (more: Partial<Parameters<Repository['prune']>[0]> = {}) =>
  repository.prune({ dryRun: false, signal, maxUnused: 0, scratchDir: makeTempDir(), ...more })

const isPack = (key: string): boolean => key.startsWith('data/')

test.each([
  ['while it looks for what is needed', (verb: string, key: string) => verb === 'list' && key === 'data/'],
  ['while it rewrites packs', (verb: string, key: string) => verb === 'save' && isPack(key)],
])('a backup goes on %s, and what it found stored stays', async (_when, fits) => {
  let snapshot: Snapshot | undefined
  const backup = once(fits, async () => {
    const other = await open()
    // Nearly all of it is still there, needed by nobody.
    snapshot = await backUp(other, old)
    await other.close()
  })
  await prune()
  expect(backup.ran).toBe(true)
  if (snapshot === undefined) throw new Error('no backup was taken')
  await expectWhole([keptSnapshot, kept], [snapshot, old])
  storage.before = async () => {}
  await prune()
  await expectWhole([keptSnapshot, kept], [snapshot, old])
})

test('others are kept out only while the index changes, never while packs are stored or deleted', async () => {
  const calls: string[] = []
  const isAlone = async (): Promise<boolean> => (await repository.listLocks()).some(({ exclusive }) => exclusive)
  let looking = false
  storage.before = async (verb, key) => {
    if (looking || verb === 'list' || key.startsWith('locks/')) return
    looking = true
    calls.push(`${verb} ${key.split('/')[0]} ${(await isAlone()) ? 'alone' : 'shared'}`)
    looking = false
  }
  await prune()
  expect([...new Set(calls)].sort()).toEqual([
    'remove data shared',
    'remove index alone',
    'save data shared',
    'save index alone',
    'save index shared',
  ])
  expect(await storage.keys('locks/')).toEqual([])
})

test('what was rewritten before it was stopped is not rewritten again', async () => {
  const other = await open()
  const writing = once(
    (verb, key) => verb === 'save' && isPack(key),
    async () => void (await other.startWriting({ signal })),
  )
  await expect(prune()).rejects.toMatchObject({ code: 'repository-locked' })
  expect(writing.ran).toBe(true)
  await repository.unlock({ all: true })
  await expectWhole([keptSnapshot, kept])
  const saved: string[] = []
  storage.before = async (verb, key) => void (verb === 'save' && isPack(key) && saved.push(key))
  const { bytesAfter, packsRemoved } = await prune()
  expect(saved).toEqual([])
  expect(packsRemoved).toBeGreaterThan(0)
  expect(bytesAfter).toBeLessThan(1.2 * PARTS * PART_BYTES)
  await expectWhole([keptSnapshot, kept])
  await other.close()
})

test('rewrites no more than it is told, deletes what needs no rewriting, and comes to the same end in parts', async () => {
  const { packsRepacked: all } = await prune({ dryRun: true })
  const first = await prune({ maxRepackBytes: 0 })
  expect(first).toMatchObject({ packsRepacked: 0 })
  expect(first.packsRemoved).toBeGreaterThan(0)
  let rewritten = 0
  let last = first
  for (let round = 0; round < 20 && last.bytesUnusedLeft > 0; round++) {
    last = await prune({ maxRepackBytes: 2.5 * PART_BYTES })
    rewritten += last.packsRepacked
    expect(last.packsRepacked).toBeLessThanOrEqual(2 + TREE_PACKS)
  }
  expect(last.bytesUnusedLeft).toBe(0)
  expect(rewritten).toBeGreaterThanOrEqual(all)
  await expectWhole([keptSnapshot, kept])
})

test('packs that are locked go from the index, stay in the storage, and go when their lock has ended', async () => {
  storage.locked = isPack
  const report = await prune()
  expect(report).toMatchObject({
    packsRemoved: 0,
    waiting: { until: UNTIL },
    findings: [{ code: 'packs-locked', message: expect.stringMatching(/locked until 2027-0/) }],
  })
  expect(report.waiting?.packs).toBeGreaterThan(PARTS)
  const index = await storage.keys('index/')
  await prune()
  expect(await storage.keys('index/')).toEqual(index)
  storage.locked = () => false
  expect(await prune()).toMatchObject({ packsRemoved: report.waiting?.packs, waiting: undefined })
  await expectWhole([keptSnapshot, kept])
})

test('no pack goes while an index that names it cannot, and trying again adds nothing', async () => {
  const before = await storage.keys('data/')
  storage.locked = key => key.startsWith('index/')
  storage.overwrites = false
  expect(await prune()).toMatchObject({ waiting: { until: UNTIL }, findings: [{ code: 'packs-locked' }] })
  expect(await storage.keys('data/')).toEqual(expect.arrayContaining(before))
  await prune()
  const again = await storage.keys()
  await prune()
  expect(await storage.keys()).toEqual(again)
  const snapshot = await backUp(repository, old)
  storage.locked = () => false
  await prune()
  await expectWhole([keptSnapshot, kept], [snapshot, old])
})

test('a storage that takes nothing any more is emptied of what nobody needs, once a person said that nobody uses it', async () => {
  storage.faults = { capacityBytes: 0 }
  await expect(prune()).rejects.toMatchObject({ code: 'storage-full', hint: expect.stringContaining('--without-lock') })
  const report = await prune({ withoutLock: true })
  expect(report.bytesAfter).toBeLessThan(report.bytesBefore)
  expect(report).toMatchObject({ packsRepacked: 0, findings: [{ code: 'index-outdated' }] })
  expect(Object.keys(await readBack(repository, keptSnapshot))).toEqual(Object.keys(kept))
  storage.faults = {}
  await prune()
  await expectWhole([keptSnapshot, kept])
})

test('with a little room made the rest goes the usual way', async () => {
  storage.faults = { capacityBytes: 0 }
  storage.before = async (verb, key) => {
    if (verb === 'remove' && isPack(key)) storage.faults = {}
  }
  expect(await prune({ withoutLock: true })).toMatchObject({ packsRepacked: 0, findings: [] })
  await expectWhole([keptSnapshot, kept])
})

test('without a lock it still respects those of others', async () => {
  const other = await open()
  await other.startWriting({ signal })
  storage.faults = { capacityBytes: 0 }
  const before = await storage.keys('data/')
  await expect(prune({ withoutLock: true })).rejects.toMatchObject({ code: 'repository-locked' })
  expect(await storage.keys('data/')).toEqual(before)
  await other.close()
})

test('an index that a kill left twice is pruned, and is no damage', async () => {
  const index = await storage.keys('index/')
  const twins = await Promise.all(index.map(async key => ({ key, bytes: await storage.load(key) })))
  await prune()
  for (const { key, bytes } of twins) await storage.save(key, bytes)
  await prune()
  await expectWhole([keptSnapshot, kept])
  expect(await prune({ dryRun: true })).toMatchObject({ packsRemoved: 0, packsRepacked: 0, bytesUnusedLeft: 0 })
})
