import { randomBytes } from 'node:crypto'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  backUp,
  copyStorage,
  engineOptions,
  readBack,
  SteppedClock,
  useCheapKey,
} from '../../../test/helpers/engine.ts'
import { FaultyStorage } from '../../../test/helpers/faulty-storage.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import type { Finding } from '../../model/finding.ts'
import { createRepository, type Helper, openRepository, type Repository, type Snapshot } from '../index.ts'

const signal = new AbortController().signal
const clock = new SteppedClock()
const FILES = { db: randomBytes(60_000), other: randomBytes(30_000) }
const LATER = { ...FILES, late: randomBytes(20_000) }

let base: MemoryStorage
let farBase: MemoryStorage
let first: Snapshot
let second: Snapshot
let memory: MemoryStorage
let storage: FaultyStorage
let repository: Repository
let far: Repository
let taken: number

beforeAll(async () => {
  base = new MemoryStorage()
  farBase = new MemoryStorage('far:')
  const made = await createRepository(base, engineOptions(clock))
  first = await backUp(made, FILES)
  second = await backUp(made, LATER)
  const other = await createRepository(farBase, engineOptions(clock))
  await other.copyFrom(made, [first, second], { signal })
  await Promise.all([made.close(), other.close()])
  await Promise.all([useCheapKey(base), useCheapKey(farBase)])
})

beforeEach(async () => {
  taken = 0
  memory = await copyStorage(base)
  storage = new FaultyStorage(memory)
  repository = await open()
  far = await openRepository(await copyStorage(farBase), engineOptions(clock))
})

afterEach(async () => {
  await Promise.all([repository.close(), far.close()])
})

const open = (): Promise<Repository> => openRepository(storage, engineOptions(clock))

const helpers = (): Helper[] => [
  {
    open: async () => far,
    onTaken: blobs => {
      taken += blobs
    },
  },
]

/** As another process. */
async function reopen(): Promise<void> {
  await repository.close()
  storage.faults = {}
  storage.stopped = false
  repository = await open()
}

async function reopenAfter(work: Promise<unknown>): Promise<void> {
  await expect(work).rejects.toMatchObject({ code: 'storage-failed' })
  await reopen()
  await repository.unlock({ all: true })
}

async function keysIn(prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const key of memory.listKeys(prefix)) keys.push(key)
  return keys.toSorted()
}

async function allBytes(): Promise<Map<string, string>> {
  const all = new Map<string, string>()
  for (const key of await keysIn('')) {
    if (!key.startsWith('locks/')) all.set(key, (await memory.load(key)).toString('base64'))
  }
  return all
}

async function biggestPack(): Promise<string> {
  let biggest = { key: '', sizeBytes: 0 }
  for await (const object of memory.list('data/')) if (object.sizeBytes > biggest.sizeBytes) biggest = object
  return biggest.key
}

const idOf = (key: string): string => key.slice(-64)

async function change(key: string, how: (bytes: Buffer) => Buffer): Promise<void> {
  await memory.save(key, how(await memory.load(key)))
}

const flip =
  (at: number) =>
  (bytes: Buffer): Buffer => {
    bytes[at] = (bytes[at] ?? 0) ^ 1
    return bytes
  }

const errors = async (): Promise<Finding[]> =>
  (await repository.check({ readData: 1, signal })).findings.filter(({ severity }) => severity === 'error')

async function expectWhole(): Promise<void> {
  await reopen()
  expect(await errors()).toEqual([])
  expect(await readBack(repository, first)).toEqual(FILES)
  expect(await readBack(repository, second)).toEqual(LATER)
}

/** Repeats it as often as there are changes, each time killed one change later, then lets it end. */
async function killedEverywhere(prepare: () => Promise<void>, repair: () => Promise<unknown>): Promise<void> {
  for (let changes = 0; ; changes++) {
    memory = await copyStorage(base)
    storage = new FaultyStorage(memory)
    await repository.close()
    repository = await open()
    await prepare()
    storage.faults = { stopAfterChanges: changes }
    const killed = await repair().then(
      () => false,
      () => true,
    )
    await reopen()
    await repository.unlock({ all: true })
    await repair()
    await expectWhole()
    if (!killed) return
  }
}

describe('repair index', () => {
  const repair = () => repository.repairIndex({ dryRun: false, signal })

  test.each<[string, () => Promise<void>]>([
    [
      'a damaged index file',
      async () => {
        for (const key of (await keysIn('index/')).slice(0, 1)) await change(key, flip(40))
      },
    ],
    [
      'no index at all',
      async () => {
        for (const key of await keysIn('index/')) await memory.remove(key)
      },
    ],
  ])('makes the index whole again from the packs: %s', async (_name, damage) => {
    await damage()
    await reopen()
    const report = await repair()
    expect(report.indexed.length).toBeGreaterThan(0)
    await expectWhole()
    expect(await repair()).toMatchObject({ damaged: [], indexed: [], dropped: [], findings: [] })
  })

  test('drops packs that are gone, and says which', async () => {
    const pack = await biggestPack()
    await memory.remove(pack)
    const report = await repair()
    expect(report).toMatchObject({ dropped: [idOf(pack)], findings: [{ code: 'pack-missing' }] })
    await reopen()
    expect((await errors()).map(({ code }) => code)).toEqual(['blobs-missing'])
  })

  test('leaves what the index knows of a pack whose header cannot be read', async () => {
    const pack = await biggestPack()
    await change(pack, bytes => flip(bytes.length - 30)(bytes))
    expect(await repair()).toMatchObject({ indexed: [], dropped: [], findings: [{ code: 'pack-damaged' }] })
    expect(await readBack(repository, second)).toEqual(LATER)
  })

  test('refuses where there is no pack at all: the disk may be away', async () => {
    for (const key of await keysIn('data/')) await memory.remove(key)
    const before = await allBytes()
    await expect(repair()).rejects.toMatchObject({ code: 'damaged', message: expect.stringContaining('not one') })
    expect(await allBytes()).toEqual(before)
  })

  test('says the same in a dry run, and changes nothing', async () => {
    const [index = ''] = await keysIn('index/')
    await change(index, flip(40))
    const before = await allBytes()
    const foreseen = await repository.repairIndex({ dryRun: true, signal })
    expect(await allBytes()).toEqual(before)
    expect(await repair()).toEqual(foreseen)
  })

  test('may be killed after any change', async () => {
    await killedEverywhere(async () => {
      for (const key of (await keysIn('index/')).slice(0, 1)) await change(key, flip(40))
    }, repair)
  })
})

test('a pack that two index files name is no damage, and prune goes on', async () => {
  const indexes = await keysIn('index/')
  const [index = ''] = indexes
  await change(index, flip(40))
  storage.faults = { stopAfterChanges: 2 }
  await reopenAfter(repository.repairIndex({ dryRun: false, signal }))
  await change(index, flip(40))
  expect(await keysIn('index/')).toHaveLength(indexes.length + 1)
  expect((await repository.check({ readData: 1, signal })).findings).toEqual([])
  await repository.prune({ dryRun: false, signal })
  await expectWhole()
})

describe('repair packs', () => {
  const repair = (...ids: string[]) => repository.repairPacks(ids, { dryRun: false, signal, helpers: helpers() })
  const alone = (...ids: string[]) => repository.repairPacks(ids, { dryRun: false, signal })

  const damages: Array<[string, 'missing' | 'cut' | 'damaged', (key: string) => Promise<void>]> = [
    ['a flipped bit', 'damaged', key => change(key, flip(20_000))],
    ['a flipped bit in the header', 'damaged', key => change(key, bytes => flip(bytes.length - 30)(bytes))],
    ['a cut pack', 'cut', key => change(key, bytes => bytes.subarray(0, 40_000))],
    ['an empty pack', 'cut', key => change(key, () => Buffer.alloc(0))],
    ['garbage', 'damaged', key => change(key, bytes => randomBytes(bytes.length))],
    ['a missing pack', 'missing', key => memory.remove(key)],
  ]

  test.each(damages)('brings everything back with another repository after %s', async (_name, state, damage) => {
    const pack = await biggestPack()
    await damage(pack)
    await errors()
    const report = await repair()
    expect(report).toMatchObject({ packs: [{ id: idOf(pack), state, lost: 0 }], absent: 0, hurt: [], findings: [] })
    await expectWhole()
    expect(await keysIn('data/')).not.toContain(pack)
    expect(await keysIn('damaged/')).toEqual([])
    expect(await repair()).toMatchObject({ packs: [], fetched: 0 })
  })

  test('finds packs that are gone or cut without a check before, and damaged ones after it', async () => {
    const pack = await biggestPack()
    await change(pack, flip(20_000))
    expect((await repair()).packs).toEqual([])
    expect((await repair(idOf(pack))).packs).toHaveLength(1)
    await expectWhole()
  })

  test('without another repository it saves what is whole, and names what is lost and whom it hurts', async () => {
    const pack = await biggestPack()
    await change(pack, flip(20_000))
    const report = await alone(idOf(pack))
    expect(report).toMatchObject({ packs: [{ lost: 1, found: 0 }], hurt: [first.id, second.id] })
    expect(report.packs[0]?.salvaged).toBeGreaterThan(10)
    expect(report.findings).toMatchObject([{ code: 'pack-damaged', affects: [first.id, second.id] }])
    // Nothing is thrown away for good.
    expect(await keysIn('damaged/')).toEqual([`damaged/${idOf(pack)}`])
    await reopen()
    expect((await errors()).map(({ code }) => code)).toEqual(['blobs-missing'])
    expect(taken).toBe(0)
    // It can still be brought back later.
    expect(await repair()).toMatchObject({ packs: [], fetched: 1, absent: 0 })
    expect(taken).toBe(1)
    await expectWhole()
  })

  test('a blob that another pack has too is not lost', async () => {
    const pack = await biggestPack()
    const whole = await memory.load(pack)
    await memory.remove(pack)
    await backUp(repository, LATER)
    await memory.save(pack, flip(20_000)(whole))
    expect(await alone(idOf(pack))).toMatchObject({ packs: [{ found: 1, lost: 0 }], findings: [] })
    await expectWhole()
  })

  test('finds damaged trees by itself, and what is below them', async () => {
    for (const key of await keysIn('data/')) {
      if ((await memory.load(key)).length < 15_000) await change(key, flip(50))
    }
    expect((await repair()).hurt).toEqual([])
    await expectWhole()
  })

  test('leaves a pack alone in which nothing is wrong', async () => {
    const pack = idOf(await biggestPack())
    const before = await keysIn('data/')
    expect(await repair(pack)).toMatchObject({ packs: [], sound: [pack] })
    expect(await keysIn('data/')).toEqual(before)
    await expect(repair('0'.repeat(64))).rejects.toMatchObject({ code: 'not-found' })
  })

  test('is refused while the index is damaged', async () => {
    const [index = ''] = await keysIn('index/')
    await change(index, flip(40))
    await expect(repair()).rejects.toMatchObject({ code: 'damaged', hint: expect.stringContaining('repair index') })
  })

  test('brings back what is neither in a pack nor in an index any more', async () => {
    for (const key of await keysIn('index/')) await memory.remove(key)
    await memory.remove(await biggestPack())
    await reopen()
    await repository.repairIndex({ dryRun: false, signal })
    expect((await repair()).fetched).toBeGreaterThan(20)
    await expectWhole()
  })

  test('says the same in a dry run, and changes nothing', async () => {
    const pack = await biggestPack()
    await change(pack, flip(20_000))
    const before = await allBytes()
    const foreseen = await repository.repairPacks([idOf(pack)], { dryRun: true, signal })
    expect(await allBytes()).toEqual(before)
    expect(await alone(idOf(pack))).toEqual(foreseen)
  })

  test('may be killed after any change', async () => {
    let pack = ''
    await killedEverywhere(
      async () => {
        pack = idOf(await biggestPack())
        await change(await biggestPack(), flip(20_000))
      },
      async () => {
        const isThere = (await keysIn('data/')).some(key => idOf(key) === pack)
        await repair(...(isThere ? [pack] : []))
      },
    )
  })
})

describe('repair snapshots', () => {
  const repair = (options: { forget?: boolean; dryRun?: boolean } = {}, ...ids: string[]) =>
    repository.repairSnapshots(ids, { dryRun: false, forget: false, signal, ...options })

  /** The blob at 20 000 of the biggest pack is one of `db`. */
  async function loseOneBlob(): Promise<void> {
    const pack = await biggestPack()
    await change(pack, flip(20_000))
    await repository.repairPacks([idOf(pack)], { dryRun: false, signal })
    await reopen()
  }

  test('makes of each what can be read, with its first id and the tag of restic, and keeps the others', async () => {
    await loseOneBlob()
    const report = await repair()
    expect(report).toMatchObject({
      sound: 0,
      snapshots: [
        { id: first.id, outcome: 'rewritten', lost: ['files/db'], lostCount: 1, forgotten: false },
        { id: second.id, outcome: 'rewritten', lost: ['files/db'], lostCount: 1, forgotten: false },
      ],
    })
    await reopen()
    const replacement = report.snapshots[1]?.replacement
    expect(replacement).toMatchObject({ original: second.id, tags: ['repaired'], time: second.time })
    if (!replacement) throw new Error('none')
    expect(await readBack(repository, replacement)).toEqual({ other: LATER.other, late: LATER.late })
    expect((await repository.listSnapshots()).snapshots).toHaveLength(4)
  })

  test('does it once, and removes those that cannot be read only when told to', async () => {
    await loseOneBlob()
    await repair()
    const again = await repair({ forget: true })
    expect(again.snapshots.map(({ outcome, forgotten }) => [outcome, forgotten])).toEqual([
      ['rewritten-before', true],
      ['rewritten-before', true],
    ])
    await reopen()
    expect(await errors()).toEqual([])
    expect((await repository.listSnapshots()).snapshots.map(({ original }) => original)).toEqual([first.id, second.id])
    expect(await repair()).toMatchObject({ snapshots: [], sound: 2 })
  })

  test('a pinned one stays', async () => {
    await loseOneBlob()
    await repository.savePin({ snapshot: first.id })
    const { snapshots } = await repair({ forget: true })
    expect(snapshots.map(({ forgotten }) => forgotten)).toEqual([false, true])
    expect((await repository.listSnapshots()).snapshots.map(({ id }) => id)).toContain(first.id)
  })

  test('says the same in a dry run, and changes nothing', async () => {
    await loseOneBlob()
    const before = await allBytes()
    const foreseen = await repair({ dryRun: true, forget: true })
    expect(await allBytes()).toEqual(before)
    const done = await repair()
    const plain = (report: typeof done) => report.snapshots.map(({ id, lost, outcome }) => ({ id, lost, outcome }))
    expect(plain(done)).toEqual(plain(foreseen))
  })

  test('leaves out folders that cannot be read, and says when nothing is left', async () => {
    const [root] = await repository.loadTree(first.tree)
    const small = (await keysIn('data/')).filter(key => key !== '')
    for (const key of small) if ((await memory.load(key)).length < 15_000) await change(key, flip(50))
    expect(root?.name).toBe('files')
    await repository.repairPacks([], { dryRun: false, signal })
    await reopen()
    const { snapshots } = await repair({ forget: true })
    expect(snapshots.length).toBe(2)
    expect(snapshots.every(({ outcome, lost }) => outcome === 'nothing-left' || lost.includes('files/'))).toBe(true)
    await reopen()
    expect(await errors()).toEqual([])
  })

  test('a snapshot file that cannot be read is named, and removed when told to', async () => {
    await change(`snapshots/${first.id}`, flip(20))
    expect(await repair()).toMatchObject({ snapshots: [{ id: first.id, outcome: 'nothing-left' }], sound: 1 })
    await repair({ forget: true }, first.id)
    await reopen()
    expect(await errors()).toEqual([])
  })

  test('gives nothing up that can still be saved or brought back', async () => {
    const pack = await biggestPack()
    await change(pack, flip(20_000))
    await errors()
    await expect(repair()).rejects.toMatchObject({ code: 'damaged', hint: expect.stringContaining('repair packs') })
    await repository.repairPacks([], { dryRun: false, signal })
    await expect(
      repository.repairSnapshots([], { dryRun: false, forget: false, signal, helpers: helpers() }),
    ).rejects.toMatchObject({ code: 'damaged', message: expect.stringContaining('has something of what') })
  })
})
