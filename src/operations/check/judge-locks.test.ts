import { describe, expect, test } from 'vitest'
import { backUp, engineOptions, SteppedClock } from '../../../test/helpers/engine.ts'
import { LockableStorage } from '../../../test/helpers/lockable-storage.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { createRepository } from '../../repository/index.ts'
import type { LockSettings, Storage } from '../../storage/storage.ts'
import { judgeLocks, type LockVerdict } from './judge-locks.ts'

const DAY = 86_400_000
const LOCK: LockSettings = { mode: 'compliance', periodMs: 30 * DAY }
const clock = new SteppedClock()
const signal = new AbortController().signal

async function examined(storage: Storage, between: () => void = () => {}) {
  const repository = await createRepository(storage, engineOptions(clock))
  await backUp(repository, { a: Buffer.alloc(9000, 1) })
  between()
  const examination = await repository.examineLocks(signal)
  await repository.close()
  return { ...judgeLocks(examination), examination }
}

const lockable = (lock: LockSettings | undefined = LOCK): LockableStorage =>
  new LockableStorage(lock, () => clock.now())

function against({ reasons }: ReturnType<typeof judgeLocks>): string[] {
  return reasons.filter(({ holds }) => holds !== true).map(({ code }) => code)
}

test('a locked repository in a bucket that refuses to destroy is protected, until the first lock ends', async () => {
  const end = new Date(clock.now().getTime() + 45 * DAY)
  const judged = await examined(lockable())
  expect(judged.verdict).toBe('protected')
  expect(judged.examination.locks?.sample).toEqual({
    read: judged.examination.locks?.sample?.total,
    total: expect.any(Number),
    unlocked: [],
    firstEnd: end,
  })
})

describe('is not protected', () => {
  test('where what is tried can be destroyed, whatever the bucket says', async () => {
    const storage = lockable()
    storage.destruction = () => 'destroyed'
    const judged = await examined(storage)
    expect([judged.verdict, against(judged)]).toEqual(['not-protected', ['try']])
  })

  test('where the present key may end locks', async () => {
    const storage = lockable({ ...LOCK, mode: 'governance' })
    storage.destruction = () => 'ended'
    const judged = await examined(storage)
    expect([judged.verdict, against(judged)]).toEqual(['not-protected', ['try']])
  })

  test('where nothing asks for locks', async () => {
    const judged = await examined(new LockableStorage(undefined, () => clock.now()))
    expect(judged.verdict).toBe('not-protected')
    expect(against(judged)).toEqual(['settings', 'objects'])
  })

  test('where one object is not locked any more, and names it', async () => {
    const storage = lockable()
    let key = ''
    const judged = await examined(storage, () => {
      key = [...storage.ends.keys()].find(each => each.startsWith('data/')) ?? ''
      storage.ends.set(key, new Date(clock.now().getTime() - 1))
    })
    expect([judged.verdict, against(judged)]).toEqual(['not-protected', ['objects']])
    expect(judged.reasons.at(-1)?.message).toContain(key)
  })

  test('where the bucket locks nothing and lets go of all', async () => {
    const storage = new LockableStorage(undefined, () => clock.now())
    storage.bucket = { keepsVersions: false, locksObjects: false }
    storage.destruction = () => 'destroyed'
    const judged = await examined(storage)
    expect([judged.verdict, against(judged)]).toEqual(['not-protected', ['bucket', 'settings', 'try']])
  })

  test('on a disk', async () => {
    expect((await examined(new MemoryStorage())).verdict).toBe('not-protected')
  })
})

describe('is unknown', () => {
  test('where the key may not store what is to be tried', async () => {
    const storage = lockable()
    storage.destruction = () => 'not-stored'
    const judged = await examined(storage)
    expect([judged.verdict, against(judged)]).toEqual(['unknown', ['try']])
  })

  test('where a rule that nobody can read refuses for every folder', async () => {
    const storage = new LockableStorage(undefined, () => clock.now())
    storage.bucket = { keepsVersions: undefined, locksObjects: false }
    const judged = await examined(storage)
    expect(judged.verdict).toBe('unknown')
    expect(judged.examination.locks?.tries.map(({ folder }) => folder)).toEqual([
      'data/',
      'index/',
      'keys/',
      'logs/',
      'snapshots/',
    ])
  })

  test('on a server that takes what is new, and may or may not delete', async () => {
    const judged = await examined(new MemoryStorage('server:', undefined, { overwrites: false }))
    expect(judged.verdict).toBe('unknown' satisfies LockVerdict)
  })
})

test('a folder that a rule leaves out is named', async () => {
  const storage = new LockableStorage(undefined, () => clock.now())
  storage.bucket = { keepsVersions: undefined, locksObjects: false }
  storage.destruction = key => (key.startsWith('keys/') ? 'destroyed' : 'refused')
  const judged = await examined(storage)
  expect(judged.verdict).toBe('not-protected')
  expect(judged.reasons.find(({ holds }) => holds === false)?.message).toContain('keys/')
})

test('what may not be asked of the bucket is no matter where locks are tried and read', async () => {
  const storage = lockable()
  storage.bucket = { keepsVersions: undefined, locksObjects: undefined }
  expect((await examined(storage)).verdict).toBe('protected')
})
