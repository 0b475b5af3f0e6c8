import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { backUp, engineOptions, SteppedClock, useCheapKey } from '../../../test/helpers/engine.ts'
import { LockableStorage } from '../../../test/helpers/lockable-storage.ts'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { AppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import { storageError } from '../../storage/storage-error.ts'
import { createRepository, openRepository, type Repository } from '../index.ts'

const DAY = 86_400_000
const PERIOD = 30 * DAY
const clock = new SteppedClock()
const data = Buffer.alloc(9000, 1)
let storage: LockableStorage
let findings: Finding[]
let cacheDir: string
let repository: Repository

const open = (): Promise<Repository> => openRepository(storage, { ...engineOptions(clock, findings), cacheDir })

/** As the next day's run of the program. */
async function reopen(): Promise<void> {
  await repository.close()
  repository = await open()
  storage.asked.length = 0
}

const aboutLocks = (): string[] => storage.asked.filter(call => !call.startsWith('save '))

/** Every object that stays as it is until somebody forgets or prunes. */
async function keysToLock(): Promise<string[]> {
  const keys: string[] = []
  for await (const key of storage.listKeys('')) if (!key.startsWith('locks/')) keys.push(key)
  return keys
}

async function daysLeft(): Promise<number[]> {
  return (await keysToLock()).map(key =>
    Math.round(((storage.ends.get(key)?.getTime() ?? 0) - clock.now().getTime()) / DAY),
  )
}

beforeEach(async () => {
  storage = new LockableStorage({ mode: 'compliance', periodMs: PERIOD }, () => clock.now())
  findings = []
  cacheDir = makeTempDir()
  repository = await createRepository(storage, { ...engineOptions(clock, findings), cacheDir })
  await useCheapKey(storage)
  await repository.close()
  repository = await open()
  await backUp(repository, { a: data })
})

afterEach(() => repository.close())

describe('what is stored', () => {
  test('is locked for one and a half periods', async () => {
    expect(new Set(await daysLeft())).toEqual(new Set([45]))
    expect((await keysToLock()).map(key => key.split('/')[0])).toEqual(
      expect.arrayContaining(['config', 'data', 'index', 'keys', 'snapshots']),
    )
  })

  test('is not locked where it is replaced and removed by design', async () => {
    expect([...storage.ends.keys()].filter(key => key.startsWith('locks/'))).toEqual([])
    expect(storage.asked.filter(call => call.startsWith('save locks/')).length).toBeGreaterThan(0)
  })

  test('is not locked where the settings do not ask for it', async () => {
    const unlocked = new LockableStorage(undefined, () => clock.now())
    const other = await createRepository(unlocked, engineOptions(clock))
    await backUp(other, { a: data })
    await other.close()
    expect(unlocked.ends.size).toBe(0)
    expect(unlocked.asked.filter(call => !call.startsWith('save '))).toEqual([])
  })
})

describe('a later backup', () => {
  test('asks nothing while all locks last for the period', async () => {
    await reopen()
    clock.advance(14 * DAY)
    await backUp(repository, { a: data })
    expect(aboutLocks()).toEqual([])
    expect(findings).toEqual([])
  })

  test('extends what it relies on before its snapshot is there', async () => {
    await reopen()
    const before = new Set(await keysToLock())
    clock.advance(16 * DAY)
    await backUp(repository, { a: data })
    const snapshotAt = storage.asked.findIndex(call => call.startsWith('save snapshots/'))
    const extended = storage.asked.slice(0, snapshotAt).filter(call => call.startsWith('extend '))
    expect(new Set(extended.map(call => call.slice('extend '.length)))).toEqual(before)
    expect(Math.min(...(await daysLeft()))).toBe(45)
  })

  test('asks once for each object where what was remembered is lost', async () => {
    cacheDir = makeTempDir()
    await reopen()
    const before = await keysToLock()
    await backUp(repository, { a: data })
    expect(aboutLocks().sort()).toEqual(before.map(key => `find ${key}`).sort())
    await reopen()
    await backUp(repository, { a: data })
    expect(aboutLocks()).toEqual([])
  })

  test('locks what was stored before locks were asked for', async () => {
    storage.ends.clear()
    cacheDir = makeTempDir()
    await reopen()
    await backUp(repository, { a: data })
    expect(Math.min(...(await daysLeft()))).toBe(45)
  })

  test('is written and says so where locks cannot be extended', async () => {
    await reopen()
    clock.advance(16 * DAY)
    storage.refusal = storageError('storage-denied', { verb: 'lock', key: 'data/x', location: 'lockable:' })
    await backUp(repository, { a: data })
    expect((await repository.listSnapshots()).snapshots).toHaveLength(2)
    expect(findings).toMatchObject([{ severity: 'warning', code: 'locks-not-extended' }])
    expect(aboutLocks().length).toBeLessThan(20)
    // Nothing is taken for extended that is not.
    storage.refusal = undefined
    await reopen()
    await backUp(repository, { a: data })
    expect(Math.min(...(await daysLeft()))).toBe(45)
  })

  test('writes no snapshot while the storage cannot say whether it extended them', async () => {
    await reopen()
    clock.advance(16 * DAY)
    storage.refusal = new AppError('storage-failed', 'planted')
    await expect(backUp(repository, { a: data })).rejects.toMatchObject({ code: 'storage-failed' })
    expect((await repository.listSnapshots()).snapshots).toHaveLength(1)
  })

  test('extends logs too, and lists them only now and then', async () => {
    const log = { kind: 'tally', id: '1' }
    const written = { log, unfinished: false, bytes: Buffer.alloc(10), writtenAt: clock.now() }
    await repository.logs.save({ ...written, name: 'one' })
    await repository.logs.save({ ...written, name: 'two', unfinished: true })
    const logs = (await keysToLock()).filter(key => key.startsWith('logs'))
    expect(new Map(logs.map(key => [key.split('/')[0], storage.ends.has(key)]))).toEqual(
      new Map([
        ['logs', true],
        ['logs-unfinished', false],
      ]),
    )
    await reopen()
    clock.advance(16 * DAY)
    await backUp(repository, { a: data })
    expect(aboutLocks().filter(call => call.includes(' logs'))).toHaveLength(2)
    expect(storage.ends.get(logs.find(key => key.startsWith('logs/')) ?? '')).toEqual(
      new Date(clock.now().getTime() + 45 * DAY),
    )
    await reopen()
    await backUp(repository, { a: data })
    expect(aboutLocks()).toEqual([])
  })

  test('is freed by prune though it is locked, and its lock is not extended any more', async () => {
    await backUp(repository, { b: Buffer.alloc(9000, 2) })
    const [first] = (await repository.listSnapshots()).snapshots
    await repository.removeSnapshots([first?.id ?? ''])
    const signal = new AbortController().signal
    const { packsRemoved, waiting } = await repository.prune({ dryRun: false, maxUnused: 0, signal })
    expect(packsRemoved).toBeGreaterThan(0)
    expect(waiting).toBeUndefined()
    await reopen()
    clock.advance(16 * DAY)
    await backUp(repository, { b: Buffer.alloc(9000, 2) })
    const there = new Set(await keysToLock())
    expect(
      aboutLocks()
        .map(call => call.split(' ')[1])
        .filter(key => !there.has(key ?? '')),
    ).toEqual([])
    expect(Math.min(...(await daysLeft()))).toBe(45)
  })
})

test('copies are locked, and what they rely on is extended', async () => {
  const target = new LockableStorage({ mode: 'compliance', periodMs: PERIOD }, () => clock.now())
  const other = await createRepository(target, engineOptions(clock))
  const { snapshots } = await repository.listSnapshots()
  await other.copyFrom(repository, snapshots, { signal: new AbortController().signal })
  await other.close()
  const locked = [...target.ends.keys()].map(key => key.split('/')[0])
  expect(locked).toEqual(expect.arrayContaining(['config', 'data', 'index', 'keys', 'snapshots']))
  expect(locked).not.toContain('locks')
})
