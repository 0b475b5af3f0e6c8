import { spawn } from 'node:child_process'
import { hostname } from 'node:os'
import { beforeEach, describe, expect, test } from 'vitest'
import { SteppedClock } from '../../../test/helpers/engine.ts'
import { FaultyStorage } from '../../../test/helpers/faulty-storage.ts'
import { processStart } from '../../base/process-life.ts'
import { systemRandom } from '../../base/random.ts'
import type { Finding } from '../../model/finding.ts'
import { MemoryStorage } from '../../storage/memory/memory-storage.ts'
import { Cipher } from '../crypto/cipher.ts'
import { randomKeys } from '../crypto/password.ts'
import { openZstd } from '../crypto/zstd.ts'
import { RepositoryFiles } from '../files/repository-files.ts'
import { formatLockFile, type LockFile } from '../format/lock-file.ts'
import { acquireLock } from './acquire.ts'
import type { HeldLock } from './held-lock.ts'
import { listLocks, unlock } from './maintain.ts'

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

let storage: FaultyStorage
let files: RepositoryFiles
let clock: WaitingClock
let findings: Finding[]

beforeEach(() => {
  storage = new FaultyStorage(new MemoryStorage())
  const cipher = new Cipher(randomKeys(systemRandom))
  files = new RepositoryFiles({ storage, version: 2, cipher, zstd: openZstd() })
  clock = new WaitingClock()
  findings = []
})

const context = () => ({ files, clock, onFinding: (finding: Finding) => findings.push(finding) })
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

describe('stale locks go without a human', () => {
  test.each([
    ['older than restic allows', async () => ({ time: new Date(clock.now().getTime() - 31 * MINUTE) })],
    ['of a dead process here', async () => ({ hostname: hostname(), pid: await endedPid() })],
    ['of an id that another process has now', async () => ({ ...here(), processStart: sameButStarted('1') })],
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
})

const here = () => ({ hostname: hostname(), pid: process.pid })

function sameButStarted(ticks: string): string {
  return [...(processStart(process.pid)?.split(' ').slice(0, 2) ?? []), ticks].join(' ')
}

test.each([
  ['young and from elsewhere', () => ({})],
  ['of a living process', () => ({ ...here(), processStart: processStart(process.pid) })],
  ['of a living process, taken by restic', here],
  [
    'of another container',
    () => ({
      hostname: hostname(),
      pid: 2 ** 30,
      processStart: `${processStart(process.pid)?.split(' ')[0]} pid:[1] 5`,
    }),
  ],
])('a lock %s holds', async (_name, fields) => {
  const id = await plant(fields())
  await expect(acquire(false)).rejects.toMatchObject({ code: 'repository-locked' })
  expect(await listLocks(context())).toMatchObject([{ id, stale: false, exclusive: true }])
  expect(await unlock(context(), false)).toEqual([])
  expect(await unlock(context(), true)).toHaveLength(1)
})

test('an unreadable lock is named; it keeps only what deletes from going on', async () => {
  const key = `locks/${'b'.repeat(64)}`
  await storage.save(key, Buffer.from('cut'))
  await (await acquire(false)).release()
  expect(findings).toMatchObject([{ code: 'lock-unreadable', subject: 'lock bbbbbbbb' }, {}])
  await expect(acquire(true)).rejects.toThrow('unreadable lock bbbbbbbb')
  const find = storage.find.bind(storage)
  storage.find = async (name, options) => {
    const found = await find(name, options)
    return found && { ...found, modifiedAt: new Date(clock.now().getTime() - 7 * MINUTE) }
  }
  await (await acquire(true)).release()
  expect(await storage.inner.find(key)).toBeUndefined()
})

test('a held lock is written anew before it gets old, new before the old is removed', async () => {
  const lock = await acquire(false)
  const first = lock.id
  storage.calls.length = 0
  clock.advance(6 * MINUTE)
  await waitFor(() => lock.id !== first)
  await waitFor(() => storage.calls.some(({ method }) => method === 'remove'))
  expect(storage.calls.map(({ method }) => method)).toEqual(['save', 'remove'])
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
