import { afterEach, beforeEach, expect, it } from 'vitest'
import { backUp, copyStorage, engineOptions, SteppedClock } from '../../../test/helpers/engine.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import { openSqliteCatalog } from '../../catalog/sqlite/sqlite-catalog.ts'
import { createRepository, openRepository, type Repository } from '../../repository/index.ts'
import { check } from './check.ts'

const signal = new AbortController().signal
const clock = new SteppedClock()
let storage: MemoryStorage
let repository: Repository
let catalog: Catalog

beforeEach(async () => {
  storage = new MemoryStorage()
  repository = await createRepository(storage, engineOptions(clock))
  catalog = await openSqliteCatalog(makeTempDir(), () => {})
})
afterEach(async () => {
  await catalog.close()
  await repository.close()
})

it('proves every snapshot when all was read and is right', async () => {
  const snapshot = await backUp(repository, { a: Buffer.from('one') })
  const result = await check({ repository, catalog, clock, readData: 1, signal })
  expect(result).toMatchObject({ whole: true, proven: 1 })
  expect(await catalog.listProofs(repository.id)).toEqual(
    new Map([[snapshot.id, { proof: 'checked', at: expect.any(Date) }]]),
  )
})

it('proves nothing when only a part was read', async () => {
  await backUp(repository, { a: Buffer.from('one') })
  const result = await check({ repository, catalog, clock, readData: 0.5, signal })
  expect(result).toMatchObject({ whole: true, proven: 0 })
  expect((await catalog.listProofs(repository.id)).size).toBe(0)
})

it('proves only the snapshots that the damage does not touch', async () => {
  const sound = await backUp(repository, { a: Buffer.alloc(9000, 1) }, signal, { time: new Date(1) })
  const packsBefore = new Set<string>()
  for await (const { key } of storage.list('data/')) packsBefore.add(key)
  const hurt = await backUp(repository, { b: Buffer.alloc(9000, 2) }, signal, { time: new Date(2) })
  const damaged = await copyStorage(storage)
  for await (const { key } of storage.list('data/')) {
    if (packsBefore.has(key)) continue
    const bytes = await damaged.load(key)
    bytes[40] = (bytes[40] ?? 0) ^ 1
    await damaged.save(key, bytes)
  }
  const reopened = await openRepository(damaged, engineOptions(clock))
  const result = await check({ repository: reopened, catalog, clock, readData: 1, signal })
  await reopened.close()
  expect(result.whole).toBe(false)
  expect(result.findings.flatMap(finding => finding.affects ?? [])).toContain(hurt.id)
  const proofs = [...(await catalog.listProofs(repository.id))].map(([id, { proof }]) => [id, proof])
  expect(Object.fromEntries(proofs)).toEqual({ [sound.id]: 'checked', [hurt.id]: 'failed' })
})
