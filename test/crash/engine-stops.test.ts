import { randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { AppError } from '../../src/base/errors.ts'
import { createRepository, openRepository, type Repository } from '../../src/repository/index.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { backUp, copyStorage, engineOptions, readBack, SteppedClock, useCheapKey } from '../helpers/engine.ts'
import { type Faults, FaultyStorage } from '../helpers/faulty-storage.ts'
import { MemoryStorage } from '../helpers/memory-storage.ts'

/** Contents of each generation: every one shares most of its blocks with the one before. */
const GENERATIONS = Array.from({ length: 4 }, () => ({ db: Buffer.alloc(0), log: Buffer.alloc(0) }))
const signal = new AbortController().signal
const ONE_DAY_MS = 24 * 3600 * 1000

/** Three generations, stored; of the first and second only what they share with the third is needed. */
let base: Storage
let clock: SteppedClock

beforeAll(async () => {
  const db = randomBytes(300_000)
  for (const [at, generation] of GENERATIONS.entries()) {
    for (let block = at; block < 70; block += 3) randomBytes(500).copy(db, block * 4096)
    generation.db = Buffer.from(db)
    generation.log = randomBytes(20_000)
  }
  base = new MemoryStorage()
  clock = new SteppedClock()
  const repository = await createRepository(base, engineOptions(clock))
  for (const generation of GENERATIONS.slice(0, 3)) await backUp(repository, generation)
  await repository.close()
  await useCheapKey(base)
})

type Operation = (repository: Repository) => Promise<unknown>

const backup: Operation = repository => backUp(repository, GENERATIONS[3] ?? {})
const forget: Operation = async repository => {
  const { snapshots } = await repository.listSnapshots()
  await repository.removeSnapshots(snapshots.slice(0, 2).map(snapshot => snapshot.id))
}
const prune: Operation = repository => repository.prune({ dryRun: false, signal, maxUnused: 0 })
const forgetAndPrune: Operation = async repository => {
  await forget(repository)
  await prune(repository)
}

/** Runs the operation with a fault planted; did the fault strike? */
async function runWith(storage: FaultyStorage, faults: Faults, operation: Operation): Promise<boolean> {
  const repository = await openRepository(storage, engineOptions(clock))
  storage.faults = faults
  try {
    await operation(repository)
    return storage.stopped || storage.changes >= (faults.loseChange ?? Number.POSITIVE_INFINITY)
  } catch (error) {
    expect(error).toBeInstanceOf(AppError)
    return true
  } finally {
    await repository.close()
  }
}

/** Everything that was promised is there; then each operation of the next day goes through, without a human. */
async function expectSound(storage: Storage, snapshotsAtLeast: number): Promise<void> {
  clock.advance(ONE_DAY_MS)
  const repository = await openRepository(storage, engineOptions(clock))
  try {
    const errors = (findings: readonly { severity: string }[]): unknown[] =>
      findings.filter(finding => finding.severity !== 'info')
    expect(errors((await repository.check({ readData: 1, signal })).findings)).toEqual([])
    const { snapshots, findings } = await repository.listSnapshots()
    expect(findings).toEqual([])
    expect(snapshots.length).toBeGreaterThanOrEqual(snapshotsAtLeast)
    for (const snapshot of snapshots) {
      const files = await readBack(repository, snapshot)
      expect(
        GENERATIONS.some(one => one.db.equals(files['db'] ?? one.log) && one.log.equals(files['log'] ?? one.db)),
      ).toBe(true)
    }
    const latest = await backUp(repository, GENERATIONS[3] ?? {})
    await prune(repository)
    const report = await repository.check({ readData: 1, signal })
    expect(report.findings).toEqual([])
    expect((await readBack(repository, latest))['db']?.equals(GENERATIONS[3]?.db ?? Buffer.alloc(0))).toBe(true)
  } finally {
    await repository.close()
  }
}

const cases: ReadonlyArray<[string, Operation, number]> = [
  ['backup', backup, 3],
  ['forget and prune', forgetAndPrune, 1],
]

describe.each(cases)('%s', (_, operation, snapshotsAtLeast) => {
  test('stopped after every change of the storage, the next run goes through and nothing is lost', async () => {
    let struck = true
    let after = 0
    for (; struck; after++) {
      const storage = new FaultyStorage(await copyStorage(base, clock))
      struck = await runWith(storage, { stopAfterChanges: after }, operation)
      await expectSound(storage.inner, snapshotsAtLeast)
    }
    expect(after).toBeGreaterThan(4)
  })

  test('with any one change refused, as by a disk that is full for a moment, the same holds', async () => {
    let struck = true
    let change = 1
    for (; struck; change++) {
      const storage = new FaultyStorage(await copyStorage(base, clock))
      struck = await runWith(storage, { loseChange: change }, operation)
      storage.faults = {}
      await expectSound(storage, snapshotsAtLeast)
    }
    expect(change).toBeGreaterThan(4)
  })
})

test('a prune leaves just what is needed', async () => {
  const storage = await copyStorage(base, clock)
  const repository = await openRepository(storage, engineOptions(clock))
  await forgetAndPrune(repository)
  const { uncompressedBytes } = await repository.statistics()
  expect(uncompressedBytes).toBeLessThan(330_000 + 20_000)
  const before = [...(await keysOf(storage))]
  await prune(repository)
  expect(await keysOf(storage)).toEqual(before)
  await repository.close()
})

test('an index that lost any of its files is mended by prune', async () => {
  for (const key of (await keysOf(base)).filter(name => name.startsWith('index/'))) {
    for (const wrong of [undefined, Buffer.from('damaged')]) {
      const storage = await copyStorage(base, clock)
      await (wrong ? storage.save(key, wrong) : storage.remove(key))
      const repository = await openRepository(storage, engineOptions(clock))
      const report = await prune(repository)
      expect(report).toMatchObject({
        findings: expect.arrayContaining([expect.objectContaining({ code: 'index-mended' })]),
      })
      await repository.close()
      await expectSound(storage, 3)
    }
  }
})

test('refuses to prune when a snapshot, a tree or a needed pack cannot be read, and changes nothing', async () => {
  for (const key of (await keysOf(base)).filter(name => /^(data|snapshots)\//.test(name))) {
    const storage = await copyStorage(base, clock)
    const bytes = await storage.load(key)
    await storage.save(key, bytes.subarray(0, bytes.length - 1))
    const before = await keysOf(storage)
    const repository = await openRepository(storage, engineOptions(clock))
    await expect(prune(repository)).rejects.toMatchObject({
      code: 'damaged',
      message: expect.stringContaining('refusing'),
    })
    await repository.close()
    expect(await keysOf(storage)).toEqual(before)
  }
})

test('pruning does not spread damage: a pack with a damaged blob is kept and named', async () => {
  const storage = await copyStorage(base, clock)
  const repository = await openRepository(storage, engineOptions(clock))
  await forget(repository)
  const plan = await repository.prune({ dryRun: true, signal, maxUnused: 0 })
  expect(plan.packsRepacked).toBeGreaterThan(0)
  let damaged = 0
  for (const key of (await keysOf(storage)).filter(name => name.startsWith('data/'))) {
    const attempt = new FaultyStorage(await copyStorage(storage, clock))
    const again = await openRepository(attempt, engineOptions(clock))
    attempt.faults = { flipBit: { key: new RegExp(key), bit: 200 * 8 } }
    const report = await again.prune({ dryRun: false, signal, maxUnused: 0 }).catch((error: unknown) => error)
    if (report instanceof AppError) expect(report.code).toBe('damaged')
    else if (JSON.stringify(report).includes('pack-damaged')) {
      damaged++
      expect(await keysOf(attempt)).toContain(key)
    }
    await again.close()
  }
  expect(damaged).toBeGreaterThan(0)
  await repository.close()
})

async function keysOf(storage: Storage): Promise<string[]> {
  const keys: string[] = []
  for await (const key of storage.listKeys('')) if (!key.startsWith('locks/')) keys.push(key)
  return keys.sort()
}
