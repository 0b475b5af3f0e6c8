import { expect, test } from 'vitest'
import { MemoryStorage } from '../../test/helpers/memory-storage.ts'
import { collect } from '../base/collect.ts'
import { silentLogger } from '../base/logger.ts'
import { systemRandom } from '../base/random.ts'
import { LimitedStorage } from './limited-storage.ts'
import { RetryingStorage } from './retrying-storage.ts'
import type { StorageHistory, StoredVersion } from './storage.ts'
import { storageError } from './storage-error.ts'

/** Sleeps pass at once, and are counted. */
function sleepless() {
  let now = 0
  return {
    now: () => new Date(now),
    monotonicMs: () => now,
    sleep: async (ms: number) => {
      now += ms
    },
  }
}

const version = (name: string, removed = false): StoredVersion => ({
  key: 'config',
  version: name,
  at: new Date(1000),
  removed,
  sizeBytes: 600,
  softDeleted: false,
})
const VERSIONS = [version('', true), version('c'), version('b'), version('a')]
const busy = () => storageError('storage-busy', { verb: 'list', key: '', location: 'far:' })

class Keeper extends MemoryStorage {
  failures = 0
  readonly history: StorageHistory = {
    list: () => this.#list(),
    load: async ({ version: name }) => {
      if (this.failures-- > 0) throw busy()
      return Buffer.from(name.repeat(600))
    },
  }

  constructor() {
    super('far:', () => new Date(), { retryMs: 60_000 })
  }

  /** Each attempt breaks off one further. */
  async *#list(): AsyncGenerator<StoredVersion> {
    for (const [at, each] of VERSIONS.entries()) {
      if (this.failures > 0 && at === 4 - this.failures) {
        this.failures--
        throw busy()
      }
      yield each
    }
  }
}

test('a listing of versions that breaks off goes on, and gives each once', async () => {
  const keeper = new Keeper()
  keeper.failures = 3
  const storage = new RetryingStorage(keeper, { clock: sleepless(), random: systemRandom, logger: silentLogger })
  expect(await collect((storage.history as StorageHistory).list(''))).toEqual(VERSIONS)
  expect(keeper.failures).toBe(0)
})

test('a version is loaded again after what may pass', async () => {
  const keeper = new Keeper()
  keeper.failures = 2
  const storage = new RetryingStorage(keeper, { clock: sleepless(), random: systemRandom, logger: silentLogger })
  expect((await storage.history?.load(version('a')))?.length).toBe(600)
})

test('a storage without a past has none behind what tries again and limits either', () => {
  const plain = new LimitedStorage(new MemoryStorage())
  expect(plain.history).toBeUndefined()
  const context = { clock: sleepless(), random: systemRandom, logger: silentLogger }
  expect(new RetryingStorage(plain, context).history).toBeUndefined()
})
