import { randomBytes } from 'node:crypto'
import { beforeEach, expect, test } from 'vitest'
import { backUp, engineOptions, SteppedClock } from '../../../test/helpers/engine.ts'
import { FaultyStorage } from '../../../test/helpers/faulty-storage.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { createRepository } from '../create.ts'
import { openRepository } from '../open.ts'
import type { Repository } from '../repository.ts'

const { signal } = new AbortController()
const options = () => engineOptions(new SteppedClock())

let source: Repository

beforeEach(async () => {
  source = await createRepository(new MemoryStorage('from:'), options())
})

test('a plan says what a copy would bring, and writes nothing', async () => {
  const shared = randomBytes(400_000)
  await backUp(source, { shared }, signal, { time: new Date(1000) })
  const target = new FaultyStorage(new MemoryStorage('to:'))
  const copy = await createRepository(target, options())
  await copy.copyFrom(source, (await source.listSnapshots()).snapshots, { signal })
  await backUp(source, { shared, other: randomBytes(50_000) }, signal, { time: new Date(2000) })
  const { snapshots } = await source.listSnapshots()
  const changes = target.changes
  const plan = await copy.planCopyFrom(source, snapshots, { signal })
  expect(target.changes).toBe(changes)
  expect(plan).toMatchObject({ missing: [snapshots[1]], present: [snapshots[0]?.id] })
  const { bytesRead, blobs } = await copy.copyFrom(source, snapshots, { signal })
  expect(plan.blobs).toBe(blobs)
  expect(plan.bytes).toBeGreaterThan(50_000)
  expect(plan.bytes).toBeLessThanOrEqual(bytesRead)
})

test('what another copy brings in the meantime is stored once', async () => {
  await backUp(source, { noise: randomBytes(300_000) })
  const { snapshots } = await source.listSnapshots()
  const target = new MemoryStorage('to:')
  const other = await createRepository(target, options())
  let others: Promise<unknown> | undefined
  class Overtaken extends FaultyStorage {
    override async save(...args: Parameters<FaultyStorage['save']>): Promise<void> {
      if (args[0].startsWith('data/')) await (others ??= other.copyFrom(source, snapshots, { signal }))
      return await super.save(...args)
    }
  }
  const overtaken = await openRepository(new Overtaken(target), options())
  const report = await overtaken.copyFrom(source, snapshots, { signal })
  expect(others).toBeDefined()
  expect(report).toMatchObject({ copied: [], present: [snapshots[0]?.id] })
  expect((await other.listSnapshots()).snapshots).toHaveLength(1)
  // What both brought is there twice until the next prune.
  const { findings } = await other.check({ readData: 1, signal })
  expect(findings.filter(({ severity }) => severity !== 'info')).toEqual([])
})
