import { afterEach, beforeEach, expect, it } from 'vitest'
import { backUp, engineOptions, SteppedClock } from '../../../test/helpers/engine.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { collect } from '../../base/collect.ts'
import { createRepository, openRepository, type Repository, type Snapshot } from '../index.ts'

const UNTIL = new Date('2027-01-31T00:00:00Z')

let storage: MemoryStorage
let repository: Repository
let snapshot: Snapshot
beforeEach(async () => {
  storage = new MemoryStorage()
  repository = await createRepository(storage, engineOptions(new SteppedClock()))
  snapshot = await backUp(repository, { file: Buffer.from('content') })
})
afterEach(() => repository.close())

const keys = async (): Promise<string[]> => await collect(storage.listKeys('pins/'))

it('keeps a pin in the repository, for all who open it; the snapshot stays what it was', async () => {
  await repository.savePin({ snapshot: snapshot.id, until: UNTIL, reason: 'before the move' })
  const other = await openRepository(storage, engineOptions(new SteppedClock()))
  expect(await other.listPins()).toEqual({
    pins: [{ snapshot: snapshot.id, until: UNTIL, reason: 'before the move' }],
    findings: [],
  })
  expect(await other.getSnapshot(snapshot.id)).toEqual(snapshot)
  expect(await other.removePin(snapshot.id)).toBe(true)
  expect(await other.removePin(snapshot.id)).toBe(false)
  expect(await repository.listPins()).toEqual({ pins: [], findings: [] })
  await other.close()
})

it('puts a new pin in place of the old one, and at no moment is there none', async () => {
  await repository.savePin({ snapshot: snapshot.id, reason: 'old' })
  const remove = storage.remove.bind(storage)
  let before = 0
  storage.remove = async key => {
    if (key.startsWith('pins/')) before = (await keys()).length
    return remove(key)
  }
  await repository.savePin({ snapshot: snapshot.id, until: UNTIL })
  expect(before).toBe(2)
  expect((await repository.listPins()).pins).toEqual([{ snapshot: snapshot.id, until: UNTIL, reason: undefined }])
})

it('counts the longest of several, as a pin that was cut off leaves them', async () => {
  storage.remove = async () => {}
  await repository.savePin({ snapshot: snapshot.id, reason: 'for good' })
  await repository.savePin({ snapshot: snapshot.id, until: UNTIL })
  expect((await repository.listPins()).pins).toMatchObject([{ reason: 'for good', until: undefined }])
})

it('takes a pin that is broken, or of another snapshot, for one without an end', async () => {
  const other = await backUp(repository, { file: Buffer.from('other') })
  await repository.savePin({ snapshot: snapshot.id, until: UNTIL })
  const [key = ''] = await keys()
  await storage.save(key.replace(snapshot.id, other.id), await storage.load(key))
  await storage.save(key, Buffer.from('nothing that we sealed, long enough to be opened'))
  const { pins, findings } = await repository.listPins()
  expect(new Set(pins)).toEqual(new Set([{ snapshot: snapshot.id }, { snapshot: other.id }]))
  expect(findings.map(({ code, affects }) => [code, affects])).toEqual(pins.map(pin => ['pin-damaged', [pin.snapshot]]))
})

it('refuses to pin what is not there, and where only restic’s files are taken', async () => {
  await expect(repository.savePin({ snapshot: 'f'.repeat(64) })).rejects.toMatchObject({ code: 'snapshot-not-found' })
  expect(await keys()).toEqual([])
  const strict = new MemoryStorage('memory:', undefined, { keys: 'restic' })
  const plain = await createRepository(strict, engineOptions(new SteppedClock()))
  const saved = await backUp(plain, { file: Buffer.from('content') })
  await expect(plain.savePin({ snapshot: saved.id })).rejects.toMatchObject({ code: 'unsupported' })
  expect(await plain.listPins()).toEqual({ pins: [], findings: [] })
  await plain.close()
})
