import { spawn } from 'node:child_process'
import { hostname } from 'node:os'
import { beforeEach, describe, expect, test } from 'vitest'
import { memoryStorageOf, SteppedClock } from '../../../test/helpers/engine.ts'
import { FaultyStorage } from '../../../test/helpers/faulty-storage.ts'
import { processStart } from '../../base/process-life.ts'
import { systemRandom } from '../../base/random.ts'
import type { Finding } from '../../model/finding.ts'
import { storageError } from '../../storage/storage-error.ts'
import { Cipher } from '../crypto/cipher.ts'
import { randomKeys } from '../crypto/password.ts'
import { openZstd } from '../crypto/zstd.ts'
import { RepositoryFiles } from '../files/repository-files.ts'
import { formatLockFile, type LockFile } from '../format/lock-file.ts'
import { acquireLock } from './acquire.ts'
import type { HeldLock } from './held-lock.ts'
import { listLocks, unlock } from './maintain.ts'
import { StorageClock } from './storage-clock.ts'

const MINUTE = 60_000

/** Sleeps end when the time has been moved on far enough. */
class WaitingClock extends SteppedClock {
  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms < 10_000) return super.sleep(ms, signal)
    const end = this.now().getTime() + ms
    while (this.now().getTime() < end && !signal?.aborted) await tick()
  }
}

const tick = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** The owner's clock, ours and the storage's go apart by so much. */
class ShiftedClock extends WaitingClock {
  shiftMs = 0

  override now(): Date {
    return new Date(super.now().getTime() + this.shiftMs)
  }
}

let storage: FaultyStorage
let storageClock: WaitingClock
let seen: Map<string, number>
let files: RepositoryFiles
let clock: ShiftedClock
let findings: Finding[]

beforeEach(() => {
  storageClock = new WaitingClock()
  storage = new FaultyStorage(memoryStorageOf(storageClock))
  const cipher = new Cipher(randomKeys(systemRandom))
  files = new RepositoryFiles({ storage, version: 2, cipher, zstd: openZstd() })
  clock = new ShiftedClock()
  seen = new Map()
  findings = []
})

const context = () => ({
  files,
  clock,
  storageClock: new StorageClock(files, clock),
  seen,
  onFinding: (finding: Finding) => findings.push(finding),
})

/** On all clocks. */
function advance(minutes: number): void {
  clock.advance(minutes * MINUTE)
  storageClock.advance(minutes * MINUTE)
}
const acquire = (exclusive: boolean, waitMs = 0): Promise<HeldLock> =>
  acquireLock({ ...context(), exclusive, waitMs, random: systemRandom })

async function plant(fields: Partial<LockFile>): Promise<string> {
  const lock = { hostname: 'elsewhere', username: 'u', pid: 1, uid: 0, gid: 0, processStart: undefined }
  return files.save('lock', formatLockFile({ ...lock, time: clock.now(), exclusive: true, ...fields }))
}

async function endedPid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'])
  await new Promise(resolve => child.once('exit', resolve))
  return child.pid ?? 0
}

async function waitFor(done: () => boolean): Promise<void> {
  for (let i = 0; i < 10_000 && !done(); i++) await tick()
}

test('shared locks go together, an exclusive one only alone', async () => {
  const first = await acquire(false)
  const second = await acquire(false)
  await expect(acquire(true)).rejects.toMatchObject({ code: 'repository-locked', exitCode: 11 })
  await first.release()
  await second.release()
  const alone = await acquire(true)
  await expect(acquire(false)).rejects.toThrow(`process ${process.pid}`)
  await expect(acquire(true)).rejects.toMatchObject({ code: 'repository-locked' })
  await alone.release()
  await alone.release()
  expect(await files.listIds('lock')).toEqual([])
})

test('waits for a lock to go away as long as told', async () => {
  const held = await acquire(true)
  const waiting = acquire(true, 5 * MINUTE)
  await tick()
  await held.release()
  await (await waiting).release()
  expect(await files.listIds('lock')).toEqual([])
})

test('of two exclusive locks taken at once one at most is held', async () => {
  for (let round = 0; round < 10; round++) {
    const both = await Promise.allSettled([acquire(true), acquire(true)])
    const held = both.filter(outcome => outcome.status === 'fulfilled')
    expect(held.length).toBeLessThanOrEqual(1)
    for (const { value } of held) await value.release()
    expect(await files.listIds('lock')).toEqual([])
  }
})

test('with patience both get their turn', async () => {
  const use = async (): Promise<void> => (await acquire(true, 60 * MINUTE)).release()
  await Promise.all([use(), use(), use()])
  expect(await files.listIds('lock')).toEqual([])
})

const here = () => ({ hostname: hostname(), pid: process.pid })
const [boot, namespaces, ticks] = processStart(process.pid)?.split(' ') ?? []

describe('stale locks go without a human', () => {
  test.each([
    [
      'of a dead process here',
      async () => ({ ...here(), pid: await endedPid(), processStart: `${boot} ${namespaces} 5` }),
    ],
    ['of an id that another process has now', async () => ({ ...here(), processStart: `${boot} ${namespaces} 1` })],
  ])('%s', async (_name, fields) => {
    await plant(await fields())
    const lock = await acquire(true)
    expect(findings).toMatchObject([{ code: 'stale-lock-removed' }])
    expect(await files.listIds('lock')).toEqual([lock.id])
    await lock.release()
  })

  test('an empty file', async () => {
    await storage.save(`locks/${'a'.repeat(64)}`, Buffer.alloc(0))
    await (await acquire(true)).release()
    expect(await files.listIds('lock')).toEqual([])
  })

  test.each([
    ['all clocks agree', 0, 0],
    ['its owner’s clock was two hours ahead', 120, 0],
    ['its owner’s clock was two hours behind', -120, 0],
    ['our clock is two hours ahead', 0, 120],
    ['our clock is two hours behind', 0, -120],
  ])('silent for 31 minutes: %s', async (_name, ownersMinutes, ourMinutes) => {
    await plant({ time: new Date(clock.now().getTime() + ownersMinutes * MINUTE) })
    clock.shiftMs = ourMinutes * MINUTE
    advance(31)
    await (await acquire(true)).release()
    expect(await files.listIds('lock')).toEqual([])
  })
})

describe('a lock that somebody may hold stays, whatever the clocks say:', () => {
  test.each<[string, () => Partial<LockFile>]>([
    ['young and from elsewhere', () => ({})],
    ['of a living process', () => ({ ...here(), processStart: processStart(process.pid) })],
    ['of a living process, taken by restic', here],
    ['of restic in a container of this name, its id nobody’s here', () => ({ ...here(), pid: 2 ** 30 })],
    ['of another container', () => ({ ...here(), pid: 2 ** 30, processStart: `${boot} pid:[1] 5` })],
    ['of a host of this name', () => ({ ...here(), pid: 2 ** 30, processStart: `0-0-0 ${namespaces} 5` })],
    ['of an owner whose clock is 40 minutes behind', () => ({ time: new Date(clock.now().getTime() - 40 * MINUTE) })],
    ['of an owner whose clock is a day ahead', () => ({ time: new Date(clock.now().getTime() + 1440 * MINUTE) })],
  ])('%s', async (_name, fields) => {
    const id = await plant(fields())
    advance(29)
    await expect(acquire(false)).rejects.toMatchObject({ code: 'repository-locked' })
    expect(await listLocks(context())).toMatchObject([{ id, stale: false, exclusive: true }])
    expect(await unlock(context(), false)).toEqual([])
    expect(await unlock(context(), true)).toHaveLength(1)
    expect(await files.listIds('lock')).toEqual([])
  })

  test('our clock jumped forward by a day', async () => {
    const id = await plant({})
    clock.shiftMs = 1440 * MINUTE
    await expect(acquire(true)).rejects.toMatchObject({ code: 'repository-locked' })
    expect(await files.listIds('lock')).toEqual([id])
  })

  test('the storage’s clock jumped forward by a day', async () => {
    const id = await plant({})
    storageClock.advance(1440 * MINUTE)
    await expect(acquire(true)).rejects.toMatchObject({ code: 'repository-locked' })
    expect(await files.listIds('lock')).toEqual([id])
  })

  test('another process that lives, asleep for a day', async () => {
    await plant({ hostname: hostname(), pid: process.ppid, processStart: processStart(process.ppid) })
    advance(1440)
    await expect(acquire(true)).rejects.toMatchObject({ code: 'repository-locked' })
  })

  test('this one could not remove goes with age, though it lives', async () => {
    await plant({ ...here(), processStart: `${boot} ${namespaces} ${ticks}` })
    advance(31)
    await (await acquire(true)).release()
    expect(findings).toMatchObject([{ code: 'stale-lock-removed' }])
  })
})

describe('where the storage tells no times, a lock is watched', () => {
  test('for as long as locks hold, then it goes', async () => {
    await plant({ time: new Date(clock.now().getTime() - 60 * MINUTE) })
    storage.faults = { timeless: true }
    await expect(acquire(true)).rejects.toMatchObject({ code: 'repository-locked' })
    advance(29)
    await expect(acquire(true)).rejects.toMatchObject({ code: 'repository-locked' })
    advance(2)
    await (await acquire(true)).release()
    expect(await files.listIds('lock')).toEqual([])
  })

  test('and not by a process that came just now', async () => {
    await plant({ time: new Date(clock.now().getTime() - 60 * MINUTE) })
    storage.faults = { timeless: true }
    await expect(acquire(true)).rejects.toMatchObject({ code: 'repository-locked' })
    advance(60)
    seen = new Map()
    await expect(acquire(true)).rejects.toMatchObject({ code: 'repository-locked' })
  })
})

test('an unreadable lock is named; it keeps only what deletes from going on', async () => {
  const key = `locks/${'b'.repeat(64)}`
  await storage.save(key, Buffer.from('cut'))
  await (await acquire(false)).release()
  expect(findings).toMatchObject([{ code: 'lock-unreadable', subject: 'lock bbbbbbbb' }, {}])
  await expect(acquire(true)).rejects.toThrow('unreadable lock bbbbbbbb')
  advance(5)
  await expect(acquire(true)).rejects.toThrow('unreadable lock bbbbbbbb')
  advance(2)
  await (await acquire(true)).release()
  expect(await storage.inner.find(key)).toBeUndefined()
})

test('one that protects nothing and cannot be removed keeps no backup from going on', async () => {
  await plant({ time: new Date(clock.now().getTime() - 60 * MINUTE) })
  await plant({ time: new Date(clock.now().getTime() - 61 * MINUTE) })
  advance(60)
  storage.inner.remove = async key => {
    throw storageError('storage-denied', { verb: 'remove', key, location: 'memory:' })
  }
  await (await acquire(false)).release()
  // Its own, once: that of others counts for nothing.
  expect(findings.map(({ code }) => code)).toEqual(['lock-not-removed'])
})

test('a held lock is written anew before it gets old, new before the old is removed', async () => {
  const lock = await acquire(false)
  const first = lock.id
  storage.calls.length = 0
  clock.advance(6 * MINUTE)
  await waitFor(() => lock.id !== first)
  await waitFor(() => storage.calls.some(({ method }) => method === 'remove'))
  // Whether it is there still is looked at before and after: somebody may have taken it for dead.
  expect(storage.calls.map(({ method }) => method)).toEqual(['listKeys', 'save', 'listKeys', 'remove'])
  expect(await files.listIds('lock')).toEqual([lock.id])
  await lock.release()
})

test('a lock that cannot be written anew for too long is lost', async () => {
  const lock = await acquire(false)
  storage.faults = { stopAfterChanges: storage.changes }
  for (let minutes = 0; minutes < 20; minutes += 5) {
    clock.advance(5 * MINUTE)
    for (let i = 0; i < 20; i++) await tick()
    expect(lock.lost.aborted).toBe(false)
  }
  clock.advance(5 * MINUTE)
  await waitFor(() => lock.lost.aborted)
  expect(lock.lost.reason).toMatchObject({ code: 'repository-locked' })
  await lock.release()
  expect(findings).toMatchObject([{ code: 'lock-not-removed' }])
})

test('after a long sleep of the machine it is kept only when nobody removed it', async () => {
  const kept = await acquire(false)
  const first = kept.id
  clock.advance(60 * MINUTE)
  await waitFor(() => kept.id !== first)
  expect(kept.lost.aborted).toBe(false)
  await files.remove('lock', kept.id)
  clock.advance(60 * MINUTE)
  await waitFor(() => kept.lost.aborted)
  expect(kept.lost.aborted).toBe(true)
  await kept.release()
  expect(await files.listIds('lock')).toEqual([])
})

test('a held lock that was removed is lost at the next refresh, and seen at once when asked', async () => {
  const lock = await acquire(false)
  await lock.assertHeld()
  await files.remove('lock', lock.id)
  clock.advance(6 * MINUTE)
  await waitFor(() => lock.lost.aborted)
  expect(lock.lost.reason).toMatchObject({ code: 'repository-locked' })
  expect(await files.listIds('lock')).toEqual([])

  const other = await acquire(false)
  await files.remove('lock', other.id)
  await expect(other.assertHeld()).rejects.toMatchObject({ code: 'repository-locked' })
  expect(other.lost.aborted).toBe(true)
  await other.release()
  await lock.release()
})

test('a held lock is kept fresh when the clock is set back', async () => {
  const lock = await acquire(false)
  const first = lock.id
  clock.shiftMs = -600 * MINUTE
  clock.advance(6 * MINUTE)
  await waitFor(() => lock.id !== first)
  expect(await files.listIds('lock')).toEqual([lock.id])
  await lock.release()
})
