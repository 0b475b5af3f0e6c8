import { afterEach, beforeEach, expect, it } from 'vitest'
import { backUp, engineOptions, SteppedClock } from '../../../test/helpers/engine.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { systemClock } from '../../base/clock.ts'
import { labelsToTags, policyTag, SAFETY_TAG } from '../../model/recovery-point.ts'
import type { RetentionRules } from '../../model/retention.ts'
import { parseRetentionDuration } from '../../model/retention-time.ts'
import { createRepository, openRepository, type Repository } from '../../repository/index.ts'
import { lockedUntil, storageError } from '../../storage/storage-error.ts'
import { type ForgetRequest, forget } from './forget.ts'

let storage: MemoryStorage
let repository: Repository
/** What the storage stamps its objects with. */
let storageNow: Date
const signal = new AbortController().signal

beforeEach(async () => {
  storageNow = new SteppedClock().now()
  storage = new MemoryStorage('memory:', () => storageNow)
  repository = await createRepository(storage, engineOptions(new SteppedClock()))
})
afterEach(() => repository.close())

async function addSnapshot(
  day: number,
  source: string | undefined,
  more: readonly string[] = [],
  hostname = 'host',
): Promise<void> {
  const tags =
    source === undefined ? ['nightly'] : labelsToTags({ source, kind: 'sqlite', type: 'full', run: `${day}` })
  const time = new Date(Date.UTC(2025, 0, day))
  await backUp(repository, { file: Buffer.from(`${source} as of day ${day}`) }, signal, {
    time,
    tags: [...tags, ...more],
    hostname,
  })
}

function request({ keep = { last: 2 }, ...more }: Partial<ForgetRequest> & { keep?: RetentionRules }): ForgetRequest {
  const sources = more.sources ?? ['app']
  return {
    repository,
    sources,
    policies: [{ name: undefined, sources, keep, timezone: 'UTC' }],
    needed: [],
    proofs: new Map(),
    hostname: 'host',
    dryRun: false,
    clock: new SteppedClock(),
    signal,
    prune: undefined,
    ...more,
  }
}

async function days(): Promise<number[]> {
  return (await repository.listSnapshots()).snapshots.map(snapshot => snapshot.time.getUTCDate())
}

it('drops what no rule keeps, of the named sources only, never what another program wrote', async () => {
  for (const day of [1, 2, 3]) await addSnapshot(day, 'app')
  for (const day of [4, 5, 6]) await addSnapshot(day, 'docs')
  for (const day of [7, 8, 9]) await addSnapshot(day, undefined)
  const result = await forget(request({}))
  expect(result.removed).toBe(1)
  expect(result.groups.map(group => group.group)).toEqual(['app@host'])
  expect(await days()).toEqual([2, 3, 4, 5, 6, 7, 8, 9])
})

it('touches nothing in a dry run, and says what pruning would free', async () => {
  for (const day of [1, 2, 3]) await addSnapshot(day, 'app')
  const result = await forget(request({ dryRun: true, keep: { last: 1 }, prune: { maxUnused: 0 } }))
  expect(result.removed).toBe(2)
  expect(result.prune?.bytesAfter).toBeLessThan(result.prune?.bytesBefore ?? 0)
  expect(await days()).toEqual([1, 2, 3])
})

it('frees the space with prune, and what stays is whole', async () => {
  for (const day of [1, 2, 3]) await addSnapshot(day, 'app')
  const before = await repository.statistics()
  await forget(request({ keep: { last: 1 }, prune: { maxUnused: 0 } }))
  expect((await repository.statistics()).storedBytes).toBeLessThan(before.storedBytes)
  expect((await repository.check({ readData: 1, signal })).findings).toEqual([])
  expect(await days()).toEqual([3])
})

it('keeps what the rules say of what another forget has left, not of what was there before', async () => {
  for (const day of [1, 2, 3, 4]) await addSnapshot(day, 'app')
  const other = await openRepository(storage, engineOptions(new SteppedClock()))
  const { snapshots } = await other.listSnapshots()
  const save = storage.save.bind(storage)
  let raced = false
  // Between our looking and our lock another program takes the two that we mean to keep.
  storage.save = async (key, data) => {
    if (key.startsWith('locks/') && !raced) {
      raced = true
      await other.removeSnapshots(snapshots.slice(2).map(({ id }) => id))
    }
    return save(key, data)
  }
  const result = await forget(request({ keep: { last: 2 } }))
  expect(raced).toBe(true)
  expect(result.removed).toBe(0)
  expect(result.groups[0]?.keep.map(({ snapshot }) => snapshot.time.getUTCDate()).toSorted()).toEqual([1, 2])
  expect(await days()).toEqual([1, 2])
  await other.close()
})

it('refuses an empty set of rules before anything else', async () => {
  await addSnapshot(1, 'app')
  await expect(forget(request({ keep: {} }))).rejects.toMatchObject({ code: 'usage' })
  expect(await days()).toEqual([1])
})

it('keeps what any policy of the source keeps, and says which', async () => {
  for (const day of [1, 2, 3, 4]) await addSnapshot(day, 'app')
  const clock = new SteppedClock()
  const policies = [
    { name: 'often', sources: ['app'], keep: { last: 1 }, timezone: 'UTC' },
    { name: 'years', sources: ['app'], keep: { within: parseRetentionDuration('2d') }, timezone: 'UTC' },
    { name: 'others', sources: ['docs'], keep: { last: 9 }, timezone: 'UTC' },
  ]
  const { groups } = await forget(request({ policies, clock }))
  expect(await days()).toEqual([3, 4])
  expect(groups[0]?.keep.map(({ reasons }) => reasons)).toEqual([
    ['policy often: last snapshot', 'policy years: within 2d'],
    ['policy years: within 2d'],
  ])
})

it('leaves alone what was taken for a policy that keeps all', async () => {
  await addSnapshot(1, 'app', [policyTag('archive')])
  for (const day of [2, 3, 4]) await addSnapshot(day, 'app')
  const policies = [
    { name: 'archive', sources: ['app'], keep: undefined, timezone: 'UTC' },
    { name: 'often', sources: ['app'], keep: { last: 1 }, timezone: 'UTC' },
  ]
  await forget(request({ policies }))
  expect(await days()).toEqual([1, 4])
})

it('keeps what undo and unfinished restores need, here and for 30 days on other hosts', async () => {
  for (const day of [1, 2, 3, 4]) await addSnapshot(day, 'app', [SAFETY_TAG])
  for (const day of [5, 6, 7]) await addSnapshot(day, 'app', [SAFETY_TAG], 'elsewhere')
  const [oldest] = (await repository.listSnapshots()).snapshots
  const needed = [{ snapshot: oldest?.id ?? '', reason: 'undo of restore 1a2b3c4d' }]
  const clock = { ...systemClock, now: () => new Date('2025-02-04T12:00:00Z') }
  storageNow = clock.now()
  const { groups } = await forget(request({ keep: { last: 1 }, needed, clock }))
  expect(await days()).toEqual([1, 4, 6, 7])
  expect(groups[0]?.keep.at(-1)?.reasons).toEqual(['undo of restore 1a2b3c4d'])
})

it('keeps what is pinned beside what the rules keep, until the pin ends', async () => {
  for (const day of [1, 2, 3, 4]) await addSnapshot(day, 'app')
  const [first, second] = (await repository.listSnapshots()).snapshots
  const clock = { ...systemClock, now: () => new Date('2025-03-01T00:00:00Z') }
  storageNow = clock.now()
  const snapshot = first?.id ?? ''
  await repository.savePin({ snapshot, until: new Date('2025-03-02T00:00:00Z'), reason: 'audit' })
  await repository.savePin({ snapshot: second?.id ?? '', until: clock.now() })
  const { groups } = await forget(request({ keep: { last: 1 }, clock }))
  expect(await days()).toEqual([1, 4])
  expect(groups[0]?.keep.map(({ reasons }) => reasons)).toEqual([
    ['last snapshot'],
    [expect.stringMatching(/^pinned until 2025-03-0\d .*: audit$/)],
  ])
  // What was pinned and is gone leaves no pin behind.
  expect((await repository.listPins()).pins.map(pin => pin.snapshot)).toEqual([snapshot])
  await repository.removePin(snapshot)
  await forget(request({ keep: { last: 1 }, clock }))
  expect(await days()).toEqual([4])
})

it('keeps what somebody pins between its look and its lock', async () => {
  for (const day of [1, 2]) await addSnapshot(day, 'app')
  const other = await openRepository(storage, engineOptions(new SteppedClock()))
  const [oldest] = (await repository.listSnapshots()).snapshots
  const save = storage.save.bind(storage)
  let raced = false
  storage.save = async (key, data) => {
    if (key.startsWith('locks/') && !raced) {
      raced = true
      await other.savePin({ snapshot: oldest?.id ?? '' })
    }
    return save(key, data)
  }
  expect((await forget(request({ keep: { last: 1 } }))).removed).toBe(0)
  expect(raced).toBe(true)
  expect(await days()).toEqual([1, 2])
  await other.close()
})

it('says of each that goes why no rule keeps it', async () => {
  await addSnapshot(1, 'app')
  for (const run of ['a', 'b']) await addSnapshot(2, 'app', [run])
  await addSnapshot(3, 'app')
  const { groups } = await forget(request({ keep: { last: 1, daily: 2 }, dryRun: true }))
  expect(groups[0]?.remove.map(({ reasons }) => reasons)).toEqual([
    ['not of the last snapshot', 'not the newest of its day'],
    ['not of the last snapshot', 'not of the last 2 days with any'],
  ])
})

it('keeps the newest that lacks nothing and the newest that is proven, whatever the rules say', async () => {
  await addSnapshot(1, 'app')
  await addSnapshot(2, 'app')
  await addSnapshot(3, 'app')
  for (const day of [4, 5]) await addSnapshot(day, 'app', ['incomplete:2'])
  const ids = (await repository.listSnapshots()).snapshots.map(({ id }) => id)
  const proofs = new Map([
    [ids[0] ?? '', { proof: 'restored' as const, at: new Date() }],
    [ids[2] ?? '', { proof: 'failed' as const, at: new Date() }],
  ])
  const { groups } = await forget(request({ keep: { last: 1 }, proofs }))
  expect(await days()).toEqual([1, 2, 5])
  expect(groups[0]?.keep.map(({ reasons }) => reasons[0])).toEqual([
    'last snapshot',
    'the newest that is whole',
    'the newest that is proven',
  ])
})

it('keeps together what a policy took in one run, also around midnight, but not by rules that were typed', async () => {
  const add = (run: string, source: string, time: string, tags = [policyTag('nightly')]) =>
    backUp(repository, { file: Buffer.from(`${source} ${run}`) }, signal, {
      time: new Date(`2025-01-${time}:00Z`),
      tags: [...labelsToTags({ source, kind: 'sqlite', type: 'full', run }), ...tags],
    })
  for (const [run, day, next] of [
    ['r1', '01', '02'],
    ['r2', '02', '02'],
    ['r3', '03', '04'],
  ] as const) {
    await add(run, 'app', `${day}T23:50`)
    await add(run, 'docs', `${next}T${next === day ? '23:51' : '00:01'}`)
  }
  const policies = [{ name: 'nightly', sources: ['app', 'docs'], keep: { daily: 2 }, timezone: 'UTC' }]
  // By itself docs of r1 and r2 are of one day, and app of r1 is older than two.
  const { groups } = await forget(request({ policies, dryRun: true }))
  expect(groups.map(({ group, keep, remove }) => [group, keep.length, remove.length])).toEqual([['app@host', 2, 1]])
  const pinned = (await repository.listSnapshots()).snapshots.find(({ tags }) => tags.includes('source:docs'))
  await repository.savePin({ snapshot: pinned?.id ?? '' })
  const withPin = await forget(request({ policies, dryRun: true, sources: ['app', 'docs'] }))
  expect(withPin.groups.map(({ remove }) => remove.length)).toEqual([0, 0])
  expect(withPin.groups[0]?.keep.at(-1)?.reasons).toEqual(['with docs of the same run'])
  const typed = [{ name: undefined, sources: ['app', 'docs'], keep: { last: 1 }, timezone: 'UTC' }]
  const byHand = await forget(request({ policies: typed, dryRun: true, sources: ['app', 'docs'] }))
  expect(byHand.groups.map(({ keep }) => keep.length)).toEqual([1, 2])
})

it('lets no snapshot push out good ones that is dated after it was stored, and names it', async () => {
  storageNow = new Date('2025-01-02T12:00:00Z')
  for (const day of [1, 2, 5, 6, 7]) await addSnapshot(day, 'app')
  storageNow = new Date('2025-01-08T00:00:00Z')
  for (const day of [3, 4]) await addSnapshot(day, 'app')
  const clock = { ...systemClock, now: () => storageNow }
  const { groups, findings } = await forget(request({ keep: { last: 2 }, clock }))
  expect(groups[0]?.remove.map(({ snapshot }) => snapshot.time.getUTCDate())).toEqual([2, 1])
  expect(await days()).toEqual([3, 4, 5, 6, 7])
  expect(findings).toMatchObject([{ code: 'snapshot-time-wrong', subject: '3 snapshots' }])
})

it.each([
  ['ahead', '2025-06-01T00:00:00Z'],
  ['behind', '2024-06-01T00:00:00Z'],
])('follows the clock of the storage where ours is %s, and says so', async (direction, ours) => {
  storageNow = new Date('2025-01-05T12:00:00Z')
  for (const day of [1, 2, 3, 4, 5]) await addSnapshot(day, 'app')
  const clock = { ...systemClock, now: () => new Date(ours) }
  const { findings } = await forget(request({ keep: { window: parseRetentionDuration('2d') }, clock }))
  expect(findings).toMatchObject([{ code: 'clock-off', message: expect.stringContaining(` ${direction} `) }])
  expect(await days()).toEqual([3, 4, 5])
})

it('leaves what the storage does not let go of, and says until when', async () => {
  for (const day of [1, 2, 3]) await addSnapshot(day, 'app')
  const remove = storage.remove.bind(storage)
  storage.remove = async (key, options) => {
    const until = new Date('2026-12-24T00:00:00Z')
    const isOldest = key.endsWith((await repository.listSnapshots()).snapshots[0]?.id ?? '')
    if (isOldest) throw lockedUntil(storageError('storage-locked', { verb: 'remove', key, location: 'memory:' }), until)
    return remove(key, options)
  }
  const { groups, removed, locked, findings } = await forget(request({ keep: { last: 1 } }))
  expect([removed, locked, await days()]).toEqual([1, 1, [1, 3]])
  expect(groups[0]?.keep.at(-1)?.reasons).toEqual([expect.stringContaining('locked in the storage until 2026-12-2')])
  expect(findings).toMatchObject([{ code: 'snapshots-locked' }])
})

it('forgets on a full storage without a lock only when told so', async () => {
  for (const day of [1, 2]) await addSnapshot(day, 'app')
  storage.save = async key => {
    throw storageError('storage-full', { verb: 'write', key, location: 'memory:' })
  }
  await expect(forget(request({ keep: { last: 1 } }))).rejects.toMatchObject({
    code: 'storage-full',
    hint: expect.stringContaining('--without-lock'),
  })
  expect((await forget(request({ keep: { last: 1 }, withoutLock: true }))).removed).toBe(1)
  expect(await days()).toEqual([2])
})
