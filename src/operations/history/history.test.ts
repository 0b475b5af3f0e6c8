import { expect, onTestFinished, test } from 'vitest'
import { SteppedClock } from '../../../test/helpers/engine.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { VERSIONED_KINDS } from '../../../test/helpers/versioned-storages.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import type { Storage } from '../../storage/storage.ts'
import { type HistoryResult, readHistory } from './history.ts'

const HOUR = 3_600_000
const signal = new AbortController().signal

async function historyOf(storage: Storage, wish: { since?: Date; until?: Date } = {}): Promise<HistoryResult> {
  const catalog = { listRuns: async () => [] } as Partial<Catalog> as Catalog
  return await readHistory({ openStorage: async () => storage, catalog }, { repository: 'main', ...wish }, signal)
}

test.each(VERSIONED_KINDS)('of a bucket of $kind each hour in which something happened is told', async kind => {
  const clock = new SteppedClock()
  const server = await kind.start(() => clock.now())
  onTestFinished(() => server.close())
  const save = async (...keys: readonly string[]): Promise<void> => {
    const storage = await kind.open(server.origin)
    for (const key of keys) await storage.save(key, Buffer.from(key))
    await storage.close()
  }
  const made = clock.now()
  await save('keys/a', 'config', 'locks/a', 'data/00/a', 'index/a', 'snapshots/a', 'pins/a/b')
  clock.advance(26 * HOUR)
  await save('config', 'data/00/b')
  const storage = await kind.open(server.origin)
  await storage.remove('snapshots/a')
  await storage.remove('locks/a')
  await storage.close()
  const attacked = clock.now()
  const result = await historyOf(await kind.open(server.origin))
  expect(result.hours).toEqual([
    {
      hour: made,
      added: { keys: 1, config: 1, packs: 1, indexes: 1, snapshots: 1, pins: 1 },
      overwritten: {},
      deleted: {},
      suspicious: [],
    },
    {
      hour: attacked,
      added: { packs: 1 },
      overwritten: { config: 1 },
      deleted: { snapshots: 1 },
      // The lock was stale by then.
      suspicious: ['config-changed', 'deleted-without-lock', 'no-snapshots-left'],
    },
  ])
  expect(result).toMatchObject({ keepsVersions: true, undated: 0, before: new Date(Number(attacked) - 1000) })
  const { hours } = await historyOf(await kind.open(server.origin), { until: new Date(Number(made) + HOUR) })
  expect(hours.map(({ hour }) => hour)).toEqual([made])
})

test.each(VERSIONED_KINDS)('of a bucket of $kind that seems to keep nothing, nothing is told', async kind => {
  const server = await kind.start(() => new Date())
  onTestFinished(() => server.close())
  const storage = await kind.open(server.origin)
  await storage.save('config', Buffer.from('config'))
  expect(await historyOf(storage)).toMatchObject({ keepsVersions: false, hours: [], before: undefined })
})

test('of a kind of storage that keeps nothing, nothing is told', async () => {
  expect(await historyOf(new MemoryStorage())).toMatchObject({ keepsVersions: false, hours: [] })
})
