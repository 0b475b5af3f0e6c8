import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Damageable } from '../../../test/helpers/damageable.ts'
import { backUp, readBack } from '../../../test/helpers/engine.ts'
import { allBytes, biggestPack, change, flip, idOf, keysIn } from '../../../test/helpers/stored-bytes.ts'

const signal = new AbortController().signal
const world = new Damageable()

describe('repair index', () => {
  const repair = () => world.repository.repairs.index({ dryRun: false, signal })

  test.each<[string, () => Promise<void>]>([
    [
      'a damaged index file',
      async () => {
        for (const key of (await keysIn(world.memory, 'index/')).slice(0, 1)) await change(world.memory, key, flip(40))
      },
    ],
    [
      'no index at all',
      async () => {
        for (const key of await keysIn(world.memory, 'index/')) await world.memory.remove(key)
      },
    ],
  ])('makes the index whole again from the packs: %s', async (_name, damage) => {
    await damage()
    await world.reopen()
    const report = await repair()
    expect(report.indexed.length).toBeGreaterThan(0)
    await world.expectWhole()
    expect(await repair()).toMatchObject({ damaged: [], indexed: [], dropped: [], findings: [] })
  })

  test('drops packs that are gone, and says which', async () => {
    const pack = await biggestPack(world.memory)
    await world.memory.remove(pack)
    const report = await repair()
    expect(report).toMatchObject({ dropped: [idOf(pack)], findings: [{ code: 'pack-missing' }] })
    await world.reopen()
    expect((await world.errors()).map(({ code }) => code)).toEqual(['blobs-missing'])
  })

  test('leaves what the index knows of a pack whose header cannot be read', async () => {
    const pack = await biggestPack(world.memory)
    await change(world.memory, pack, bytes => flip(bytes.length - 30)(bytes))
    expect(await repair()).toMatchObject({ indexed: [], dropped: [], findings: [{ code: 'pack-damaged' }] })
    expect(await readBack(world.repository, world.second)).toEqual(world.files.second)
  })

  test('refuses where there is no pack at all: the disk may be away', async () => {
    for (const key of await keysIn(world.memory, 'data/')) await world.memory.remove(key)
    const before = await allBytes(world.memory)
    await expect(repair()).rejects.toMatchObject({ code: 'damaged', message: expect.stringContaining('not one') })
    expect(await allBytes(world.memory)).toEqual(before)
  })

  test('says the same in a dry run, and changes nothing', async () => {
    const [index = ''] = await keysIn(world.memory, 'index/')
    await change(world.memory, index, flip(40))
    const before = await allBytes(world.memory)
    const foreseen = await world.repository.repairs.index({ dryRun: true, signal })
    expect(await allBytes(world.memory)).toEqual(before)
    expect(await repair()).toEqual(foreseen)
  })

  test('may be killed after any change', async () => {
    const changes = await world.killedEverywhere(async () => {
      for (const key of (await keysIn(world.memory, 'index/')).slice(0, 1)) await change(world.memory, key, flip(40))
    }, repair)
    expect(changes).toBeGreaterThan(2)
  })
})

test('a pack that two index files name is no damage, and prune goes on', async () => {
  const indexes = await keysIn(world.memory, 'index/')
  const [index = ''] = indexes
  await change(world.memory, index, flip(40))
  world.storage.faults = { stopAfterChanges: 2 }
  await expect(world.repository.repairs.index({ dryRun: false, signal })).rejects.toMatchObject({
    code: 'storage-failed',
  })
  await world.reopen()
  await world.repository.unlock({ all: true })
  await change(world.memory, index, flip(40))
  expect(await keysIn(world.memory, 'index/')).toHaveLength(indexes.length + 1)
  expect((await world.repository.check({ readData: 1, signal })).findings).toEqual([])
  await world.repository.prune({ dryRun: false, signal })
  await world.expectWhole()
})

describe('repair packs', () => {
  const repair = (...ids: string[]) =>
    world.repository.repairs.packs(ids, { dryRun: false, signal, helpers: world.helpers() })
  const alone = (...ids: string[]) => world.repository.repairs.packs(ids, { dryRun: false, signal })

  const damages: Array<[string, 'missing' | 'cut' | 'damaged', (key: string) => Promise<void>]> = [
    ['a flipped bit', 'damaged', key => change(world.memory, key, flip(20_000))],
    [
      'a flipped bit in the header',
      'damaged',
      key => change(world.memory, key, bytes => flip(bytes.length - 30)(bytes)),
    ],
    ['a cut pack', 'cut', key => change(world.memory, key, bytes => bytes.subarray(0, 40_000))],
    ['an empty pack', 'cut', key => change(world.memory, key, () => Buffer.alloc(0))],
    ['garbage', 'damaged', key => change(world.memory, key, bytes => randomBytes(bytes.length))],
    ['a missing pack', 'missing', key => world.memory.remove(key)],
  ]

  test.each(damages)('brings everything back with another repository after %s', async (_name, state, damage) => {
    const pack = await biggestPack(world.memory)
    await damage(pack)
    await world.errors()
    const report = await repair()
    expect(report).toMatchObject({ packs: [{ id: idOf(pack), state, lost: 0 }], absent: 0, hurt: [], findings: [] })
    await world.expectWhole()
    expect(await keysIn(world.memory, 'data/')).not.toContain(pack)
    expect(await keysIn(world.memory, 'damaged/')).toEqual([])
    expect(await repair()).toMatchObject({ packs: [], fetched: 0 })
  })

  test('finds packs that are gone or cut without a check before, and damaged ones after it', async () => {
    const pack = await biggestPack(world.memory)
    await change(world.memory, pack, flip(20_000))
    expect((await repair()).packs).toEqual([])
    expect((await repair(idOf(pack))).packs).toHaveLength(1)
    await world.expectWhole()
  })

  test('without another repository it saves what is whole, and names what is lost and whom it hurts', async () => {
    const pack = await biggestPack(world.memory)
    await change(world.memory, pack, flip(20_000))
    const report = await alone(idOf(pack))
    expect(report).toMatchObject({ packs: [{ lost: 1, found: 0 }], hurt: [world.first.id, world.second.id] })
    expect(report.packs[0]?.salvaged).toBeGreaterThan(10)
    expect(report.findings).toMatchObject([{ code: 'pack-damaged', affects: [world.first.id, world.second.id] }])
    // Nothing is thrown away for good.
    expect(await keysIn(world.memory, 'damaged/')).toEqual([`damaged/${idOf(pack)}`])
    await world.reopen()
    expect((await world.errors()).map(({ code }) => code)).toEqual(['blobs-missing'])
    expect(world.taken).toBe(0)
    // It can still be brought back later.
    expect(await repair()).toMatchObject({ packs: [], fetched: 1, absent: 0 })
    expect(world.taken).toBe(1)
    await world.expectWhole()
  })

  test('a blob that another pack has too is not lost', async () => {
    const pack = await biggestPack(world.memory)
    const whole = await world.memory.load(pack)
    await world.memory.remove(pack)
    await backUp(world.repository, world.files.second)
    await world.memory.save(pack, flip(20_000)(whole))
    expect(await alone(idOf(pack))).toMatchObject({ packs: [{ found: 1, lost: 0 }], findings: [] })
    await world.expectWhole()
  })

  test('finds damaged trees by itself, and what is below them', async () => {
    for (const key of await keysIn(world.memory, 'data/')) {
      if ((await world.memory.load(key)).length < 15_000) await change(world.memory, key, flip(50))
    }
    expect((await repair()).hurt).toEqual([])
    await world.expectWhole()
  })

  test('leaves a pack alone in which nothing is wrong', async () => {
    const pack = idOf(await biggestPack(world.memory))
    const before = await keysIn(world.memory, 'data/')
    expect(await repair(pack)).toMatchObject({ packs: [], sound: [pack] })
    expect(await keysIn(world.memory, 'data/')).toEqual(before)
    await expect(repair('0'.repeat(64))).rejects.toMatchObject({ code: 'not-found' })
  })

  test('is refused while the index is damaged', async () => {
    const [index = ''] = await keysIn(world.memory, 'index/')
    await change(world.memory, index, flip(40))
    await expect(repair()).rejects.toMatchObject({ code: 'damaged', hint: expect.stringContaining('repair index') })
  })

  test('brings back what is neither in a pack nor in an index any more', async () => {
    for (const key of await keysIn(world.memory, 'index/')) await world.memory.remove(key)
    await world.memory.remove(await biggestPack(world.memory))
    await world.reopen()
    await world.repository.repairs.index({ dryRun: false, signal })
    expect((await repair()).fetched).toBeGreaterThan(20)
    await world.expectWhole()
  })

  test('says the same in a dry run, and changes nothing', async () => {
    const pack = await biggestPack(world.memory)
    await change(world.memory, pack, flip(20_000))
    const before = await allBytes(world.memory)
    const foreseen = await world.repository.repairs.packs([idOf(pack)], { dryRun: true, signal })
    expect(await allBytes(world.memory)).toEqual(before)
    expect(await alone(idOf(pack))).toEqual(foreseen)
  })

  test('may be killed after any change', async () => {
    let pack = ''
    const changes = await world.killedEverywhere(
      async () => {
        pack = idOf(await biggestPack(world.memory))
        await change(world.memory, await biggestPack(world.memory), flip(20_000))
      },
      async () => {
        const isThere = (await keysIn(world.memory, 'data/')).some(key => idOf(key) === pack)
        await repair(...(isThere ? [pack] : []))
      },
    )
    expect(changes).toBeGreaterThan(3)
  })
})
