import { describe, expect, onTestFinished, test } from 'vitest'
import { SteppedClock } from '../../test/helpers/engine.ts'
import { MemoryStorage } from '../../test/helpers/memory-storage.ts'
import { openTestS3 } from '../../test/helpers/s3-storage.ts'
import { serveBucket, VersionedBucket } from '../../test/helpers/versioned-bucket.ts'
import { startVersionedGcs } from '../../test/helpers/versioned-gcs-server.ts'
import { openVersionedGcs, VERSIONED_KINDS, type VersionedKind } from '../../test/helpers/versioned-storages.ts'
import { collect } from '../base/collect.ts'
import { AsOfStorage } from './as-of-storage.ts'
import type { Storage, StorageHistory } from './storage.ts'

const MINUTE = 60_000

interface Kept {
  readonly storage: Storage
  readonly bucket: VersionedBucket
  readonly clock: SteppedClock
  /** Goes on by a minute, does it, and says when that was. */
  readonly step: (work: () => Promise<void>) => Promise<Date>
}

async function keep({ start, open }: Pick<VersionedKind, 'start' | 'open'>): Promise<Kept> {
  const clock = new SteppedClock()
  const server = await start(() => clock.now())
  const storage = await open(server.origin)
  onTestFinished(async () => {
    await storage.close()
    server.close()
  })
  const step = async (work: () => Promise<void>): Promise<Date> => {
    clock.advance(MINUTE)
    await work()
    return clock.now()
  }
  return { storage, bucket: server.bucket, clock, step }
}

const content = async (storage: Storage): Promise<Record<string, string>> => {
  const found: Record<string, string> = {}
  for await (const { key } of storage.list('')) found[key] = (await storage.load(key)).toString()
  return found
}
const save = (storage: Storage, key: string, text: string) => () => storage.save(key, Buffer.from(text))
const remove = (storage: Storage, key: string) => () => storage.remove(key)

describe.each(VERSIONED_KINDS)('a bucket of $kind that keeps versions', kind => {
  test('is what it was at each moment, however often it changed', async () => {
    const { storage, step } = await keep(kind)
    const first = await step(save(storage, 'config', 'one'))
    const second = await step(save(storage, 'config', 'two'))
    const added = await step(save(storage, 'snapshots/a', 'a'))
    const gone = await step(remove(storage, 'snapshots/a'))
    const again = await step(save(storage, 'snapshots/a', 'again'))
    const asOf = async (time: Date) => await content(await AsOfStorage.open(storage, time))
    expect(await asOf(first)).toEqual({ config: 'one' })
    expect(await asOf(new Date(Number(second) - 1000))).toEqual({ config: 'one' })
    expect(await asOf(second)).toEqual({ config: 'two' })
    expect(await asOf(added)).toEqual({ config: 'two', 'snapshots/a': 'a' })
    // Azure forgets the removal of what was made again: rather too much is there than too little.
    const left = kind.kind === 'azure' ? { 'snapshots/a': 'a' } : {}
    expect(await asOf(gone)).toEqual({ config: 'two', ...left })
    expect(await asOf(again)).toEqual({ config: 'two', 'snapshots/a': 'again' })
  })

  test('gives sizes, times and ranges of versions that were overwritten', async () => {
    const { storage, step } = await keep(kind)
    const first = await step(save(storage, 'config', '0123456789'))
    await step(save(storage, 'config', 'x'))
    const then = await AsOfStorage.open(storage, first)
    expect(await then.find('config')).toEqual({ key: 'config', sizeBytes: 10, modifiedAt: first })
    expect(await then.find('keys/a')).toBeUndefined()
    expect((await then.load('config', { range: { offset: 2, length: 3 } })).toString()).toBe('234')
    await expect(then.load('config', { range: { offset: 8, length: 3 } })).rejects.toMatchObject({
      code: 'storage-too-short',
    })
    await expect(then.load('keys/a')).rejects.toMatchObject({ code: 'storage-not-found' })
  })

  test('turns all pages of its versions, also where one object has more than a page', async () => {
    const { storage, bucket, step } = await keep(kind)
    bucket.pageLength = 3
    for (const text of ['1', '2', '3', '4', '5']) await step(save(storage, 'config', text))
    const all = await step(async () => {
      for (const key of ['a', 'b', 'c', 'd']) await storage.save(`keys/${key}`, Buffer.from(key))
    })
    await step(remove(storage, 'keys/b'))
    const then = await AsOfStorage.open(storage, all)
    expect(await content(then)).toEqual({ config: '5', 'keys/a': 'a', 'keys/b': 'b', 'keys/c': 'c', 'keys/d': 'd' })
  })

  test('cannot be changed as it was', async () => {
    const { storage, step } = await keep(kind)
    await step(save(storage, 'config', 'one'))
    const before = await step(save(storage, 'config', 'two'))
    const then = await AsOfStorage.open(storage, before)
    const refused = { code: 'storage-denied', hint: expect.stringContaining('lifeboat copy --from NAME --as-of') }
    await expect(then.save('config')).rejects.toMatchObject(refused)
    await expect(then.remove('config')).rejects.toMatchObject(refused)
    expect(await content(storage)).toEqual({ config: 'two' })
  })

  test('is opened as before a prune, not as in the middle of it', async () => {
    const { storage, step } = await keep(kind)
    for (const key of ['config', 'index/old', 'data/00/old']) await step(save(storage, key, key))
    const before = await step(save(storage, 'index/new', 'new'))
    const begun = await step(remove(storage, 'index/old'))
    const middle = await step(save(storage, 'snapshots/meanwhile', 's'))
    const done = await step(remove(storage, 'data/00/old'))
    const then = await AsOfStorage.open(storage, middle)
    expect(then.moment).toEqual({ at: new Date(Number(begun) - 1), before: { from: begun, to: done } })
    const whole = ['config', 'data/00/old', 'index/new', 'index/old']
    expect(Object.keys(await content(then))).toEqual(whole)
    expect((await AsOfStorage.open(storage, before)).moment).toEqual({ at: before, before: undefined })
    expect(Object.keys(await content(await AsOfStorage.open(storage, done)))).toEqual([
      'config',
      'index/new',
      'snapshots/meanwhile',
    ])
  })

  test('has no locks of then', async () => {
    const { storage, step } = await keep(kind)
    await step(save(storage, 'config', 'one'))
    const locked = await step(save(storage, 'locks/a', 'lock'))
    await step(remove(storage, 'locks/a'))
    expect(await content(await AsOfStorage.open(storage, locked))).toEqual({ config: 'one' })
  })

  test('says since when there is something', async () => {
    const { storage, step } = await keep(kind)
    const first = await step(save(storage, 'config', 'one'))
    await step(save(storage, 'config', 'two'))
    await expect(AsOfStorage.open(storage, new Date(Number(first) - 1000))).rejects.toMatchObject({
      code: 'no-repository',
      message: expect.stringContaining('the oldest object there is of'),
    })
  })

  test('that never kept anything is refused, for what is gone would be missing without a word', async () => {
    const { storage, step } = await keep(kind)
    const time = await step(save(storage, 'config', 'one'))
    await expect(AsOfStorage.open(storage, time)).rejects.toMatchObject({
      code: 'unsupported',
      hint: expect.stringContaining('turn versioning on'),
    })
  })

  test('tells of every removal when it was', async () => {
    const { storage, step } = await keep(kind)
    const saved = await step(save(storage, 'config', 'one'))
    const removed = await step(remove(storage, 'config'))
    const versions = await collect((storage.history as StorageHistory).list(''))
    expect(versions.map(({ key, at, removed, sizeBytes }) => ({ key, at, removed, sizeBytes }))).toEqual([
      { key: 'config', at: removed, removed: true, sizeBytes: 0 },
      { key: 'config', at: saved, removed: false, sizeBytes: 3 },
    ])
  })
})

test('what Google deleted softly is there, and can be read once it is restored', async () => {
  const { storage, step } = await keep({
    start: now => startVersionedGcs(now, 'soft-deleted'),
    open: openVersionedGcs,
  })
  const both = await step(async () => {
    await storage.save('config', Buffer.from('one'))
    await storage.save('keys/a', Buffer.from('key'))
  })
  await step(remove(storage, 'keys/a'))
  const then = await AsOfStorage.open(storage, both)
  expect(await collect(then.listKeys(''))).toEqual(['config', 'keys/a'])
  expect((await then.load('config')).toString()).toBe('one')
  await expect(then.load('keys/a')).rejects.toMatchObject({
    code: 'storage-denied',
    hint: expect.stringContaining('gcloud storage restore'),
  })
})

test('a store that keeps nothing of the past says so', async () => {
  await expect(AsOfStorage.open(new MemoryStorage(), new Date())).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringContaining('this kind of storage never does'),
  })
})

test('a service that speaks S3 and knows no versions says so', async () => {
  const server = await serveBucket(new VersionedBucket(() => new Date()), (_, { respond }) =>
    respond(501, '<Error><Code>NotImplemented</Code><Message>ListObjectVersions not implemented</Message></Error>'),
  )
  const storage = await openTestS3(`s3:${server.origin}/kept/shop`)
  onTestFinished(async () => {
    await storage.close()
    server.close()
  })
  await expect(AsOfStorage.open(storage, new Date())).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringContaining('keeps no versions'),
  })
})
