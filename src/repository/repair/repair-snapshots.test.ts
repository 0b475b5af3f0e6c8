import { describe, expect, test } from 'vitest'
import { Damageable } from '../../../test/helpers/damageable.ts'
import { readBack } from '../../../test/helpers/engine.ts'
import { allBytes, biggestPack, change, flip, idOf, keysIn } from '../../../test/helpers/stored-bytes.ts'

const signal = new AbortController().signal
const world = new Damageable()

describe('repair snapshots', () => {
  const repair = (options: { forget?: boolean; dryRun?: boolean } = {}, ...ids: string[]) =>
    world.repository.repairs.snapshots(ids, { dryRun: false, forget: false, signal, ...options })

  /** The blob at 20 000 of the biggest pack is one of `db`. */
  async function loseOneBlob(): Promise<void> {
    const pack = await biggestPack(world.memory)
    await change(world.memory, pack, flip(20_000))
    await world.repository.repairs.packs([idOf(pack)], { dryRun: false, signal })
    await world.reopen()
  }

  test('makes of each what can be read, with its first id and the tag of restic, and keeps the others', async () => {
    await loseOneBlob()
    const report = await repair()
    expect(report).toMatchObject({
      sound: 0,
      snapshots: [
        { id: world.first.id, outcome: 'rewritten', lost: ['files/db'], lostCount: 1, forgotten: false },
        { id: world.second.id, outcome: 'rewritten', lost: ['files/db'], lostCount: 1, forgotten: false },
      ],
    })
    await world.reopen()
    const replacement = report.snapshots[1]?.replacement
    expect(replacement).toMatchObject({ original: world.second.id, tags: ['repaired'], time: world.second.time })
    if (!replacement) throw new Error('none')
    expect(await readBack(world.repository, replacement)).toEqual({
      other: world.files.second.other,
      late: world.files.second.late,
    })
    expect((await world.repository.listSnapshots()).snapshots).toHaveLength(4)
  })

  test('does it once, and removes those that cannot be read only when told to', async () => {
    await loseOneBlob()
    await repair()
    const again = await repair({ forget: true })
    expect(again.snapshots.map(({ outcome, forgotten }) => [outcome, forgotten])).toEqual([
      ['rewritten-before', true],
      ['rewritten-before', true],
    ])
    await world.reopen()
    expect(await world.errors()).toEqual([])
    expect((await world.repository.listSnapshots()).snapshots.map(({ original }) => original)).toEqual([
      world.first.id,
      world.second.id,
    ])
    expect(await repair()).toMatchObject({ snapshots: [], sound: 2 })
  })

  test('a pinned one stays', async () => {
    await loseOneBlob()
    await world.repository.savePin({ snapshot: world.first.id })
    const { snapshots } = await repair({ forget: true })
    expect(snapshots.map(({ forgotten }) => forgotten)).toEqual([false, true])
    expect((await world.repository.listSnapshots()).snapshots.map(({ id }) => id)).toContain(world.first.id)
  })

  test('says the same in a dry run, and changes nothing', async () => {
    await loseOneBlob()
    const before = await allBytes(world.memory)
    const foreseen = await repair({ dryRun: true, forget: true })
    expect(await allBytes(world.memory)).toEqual(before)
    const done = await repair()
    const plain = (report: typeof done) => report.snapshots.map(({ id, lost, outcome }) => ({ id, lost, outcome }))
    expect(plain(done)).toEqual(plain(foreseen))
  })

  test('leaves out folders that cannot be read, and says when nothing is left', async () => {
    const [root] = await world.repository.loadTree(world.first.tree)
    const small = (await keysIn(world.memory, 'data/')).filter(key => key !== '')
    for (const key of small)
      if ((await world.memory.load(key)).length < 15_000) await change(world.memory, key, flip(50))
    expect(root?.name).toBe('files')
    await world.repository.repairs.packs([], { dryRun: false, signal })
    await world.reopen()
    const { snapshots } = await repair({ forget: true })
    expect(snapshots.length).toBe(2)
    expect(snapshots.every(({ outcome, lost }) => outcome === 'nothing-left' || lost.includes('files/'))).toBe(true)
    await world.reopen()
    expect(await world.errors()).toEqual([])
  })

  test('a snapshot file that cannot be read is named, and removed when told to', async () => {
    await change(world.memory, `snapshots/${world.first.id}`, flip(20))
    expect(await repair()).toMatchObject({ snapshots: [{ id: world.first.id, outcome: 'nothing-left' }], sound: 1 })
    await repair({ forget: true }, world.first.id)
    await world.reopen()
    expect(await world.errors()).toEqual([])
  })

  test('gives nothing up that can still be saved or brought back', async () => {
    const pack = await biggestPack(world.memory)
    await change(world.memory, pack, flip(20_000))
    await world.errors()
    await expect(repair()).rejects.toMatchObject({ code: 'damaged', hint: expect.stringContaining('repair packs') })
    await world.repository.repairs.packs([], { dryRun: false, signal })
    await expect(
      world.repository.repairs.snapshots([], { dryRun: false, forget: false, signal, helpers: world.helpers() }),
    ).rejects.toMatchObject({ code: 'damaged', message: expect.stringContaining('has something of what') })
  })
})
