import { describe, expect, onTestFinished, test } from 'vitest'
import { collect } from '../../src/base/collect.ts'
import { createRepository, openRepository, type Repository } from '../../src/repository/index.ts'
import { AsOfStorage } from '../../src/storage/as-of-storage.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { backUp, engineOptions, readBack, SteppedClock, useCheapKey } from '../helpers/engine.ts'
import type { VersionedBucket } from '../helpers/versioned-bucket.ts'
import { VERSIONED_KINDS } from '../helpers/versioned-storages.ts'
import { pseudoRandom } from '../helpers/workspace.ts'

const signal = new AbortController().signal
/** As long as one change of the bucket takes: several come in the same second of its clock. */
const CHANGE_MS = 300

describe.each(VERSIONED_KINDS)('a repository in a bucket of $kind that keeps versions', kind => {
  test('is whole at every moment that it ever had, through backups, forget, prune and its end', async () => {
    const clock = new SteppedClock()
    const server = await kind.start(() => {
      clock.advance(CHANGE_MS)
      return clock.now()
    })
    const storage = await kind.open(server.origin)
    onTestFinished(() => server.close())
    const repository = await createRepository(storage, engineOptions(clock))
    await useCheapKey(storage)
    const from = Number(clock.now())
    const kept = await liveOn(repository, clock)
    const before = clock.now()
    await destroy(storage)
    const seconds = secondsOf(server.bucket).filter(at => Number(at) >= from && at <= before)
    expect(seconds.length).toBeGreaterThan(10)
    for (const asked of seconds) await expectWhole(kind.open(server.origin), asked)
    // What was there last is there as it was.
    const then = await AsOfStorage.open(storage, before)
    const opened = await openRepository(then, engineOptions(clock))
    const { snapshots } = await opened.listSnapshots()
    expect(snapshots.map(({ id }) => id)).toEqual([kept.id])
    expect((await readBack(opened, kept))['new']).toEqual(pseudoRandom(30_000, 9))
    await opened.close()
  })
})

/** Three backups, of which the first two go, with what only they need. */
async function liveOn(repository: Repository, clock: SteppedClock) {
  const first = await backUp(repository, { a: pseudoRandom(30_000, 1), b: pseudoRandom(20_000, 2) })
  const second = await backUp(repository, { b: pseudoRandom(20_000, 2), c: pseudoRandom(40_000, 3) })
  const last = await backUp(repository, { b: pseudoRandom(20_000, 2), new: pseudoRandom(30_000, 9) })
  clock.advance(3_600_000)
  await repository.removeSnapshots([first.id, second.id])
  await repository.prune({ dryRun: false, signal, maxUnused: 0 })
  clock.advance(3_600_000)
  return last
}

/** The end of each second in which something happened. */
function secondsOf(bucket: VersionedBucket): Date[] {
  const times = bucket.keys('').flatMap(([, versions]) => versions.map(({ at }) => Math.floor(Number(at) / 1000)))
  return [...new Set(times)].toSorted((a, b) => a - b).map(second => new Date(second * 1000 + 999))
}

async function destroy(storage: Storage): Promise<void> {
  await storage.save('config', Buffer.from('yours no more'))
  for (const prefix of ['keys/', 'data/', 'index/', 'snapshots/']) {
    for (const key of await collect(storage.listKeys(prefix))) await storage.remove(key)
  }
}

async function expectWhole(storage: Promise<Storage>, asked: Date): Promise<void> {
  const clock = new SteppedClock()
  const told: string[] = []
  const then = await AsOfStorage.open(await storage, asked)
  const repository = await openRepository(then, {
    ...engineOptions(clock),
    onFinding: ({ code }) => told.push(code),
  })
  const { findings } = await repository.check({ readData: 1, signal })
  const errors = findings.filter(({ severity }) => severity === 'error').map(({ message }) => message)
  // No lock is taken, and nothing is said of one.
  expect([asked.toISOString(), errors, told]).toEqual([asked.toISOString(), [], []])
  await repository.close()
}
