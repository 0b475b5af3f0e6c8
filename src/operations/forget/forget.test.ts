import { afterEach, beforeEach, expect, it } from 'vitest'
import { backUp, engineOptions, SteppedClock } from '../../../test/helpers/engine.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { systemClock } from '../../base/clock.ts'
import { labelsToTags, policyTag, SAFETY_TAG } from '../../model/recovery-point.ts'
import type { RetentionRules } from '../../model/retention.ts'
import { parseRetentionDuration } from '../../model/retention-time.ts'
import { createRepository, openRepository, type Repository } from '../../repository/index.ts'
import { type ForgetRequest, forget } from './forget.ts'

let storage: MemoryStorage
let repository: Repository
const signal = new AbortController().signal

beforeEach(async () => {
  storage = new MemoryStorage()
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
  const { groups } = await forget(request({ keep: { last: 1 }, needed, clock }))
  expect(await days()).toEqual([1, 4, 6, 7])
  expect(groups[0]?.keep.at(-1)?.reasons).toEqual(['undo of restore 1a2b3c4d'])
})

it('keeps what is pinned beside what the rules keep, until the pin ends', async () => {
  for (const day of [1, 2, 3, 4]) await addSnapshot(day, 'app')
  const [first, second] = (await repository.listSnapshots()).snapshots
  const clock = { ...systemClock, now: () => new Date('2025-03-01T00:00:00Z') }
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
