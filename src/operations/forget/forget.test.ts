import { afterEach, beforeEach, expect, it } from 'vitest'
import { backUp, engineOptions, SteppedClock } from '../../../test/helpers/engine.ts'
import { labelsToTags } from '../../model/recovery-point.ts'
import { createRepository, type Repository } from '../../repository/index.ts'
import { MemoryStorage } from '../../storage/memory/memory-storage.ts'
import { type ForgetRequest, forget } from './forget.ts'

let repository: Repository
const signal = new AbortController().signal

beforeEach(async () => {
  repository = await createRepository(new MemoryStorage(), engineOptions(new SteppedClock()))
})
afterEach(() => repository.close())

async function addSnapshot(day: number, source: string | undefined): Promise<void> {
  const tags =
    source === undefined ? ['nightly'] : labelsToTags({ source, kind: 'sqlite', type: 'full', run: `${day}` })
  const time = new Date(Date.UTC(2025, 0, day))
  await backUp(repository, { file: Buffer.from(`${source} as of day ${day}`) }, signal, { time, tags })
}

function request(more: Partial<ForgetRequest>): ForgetRequest {
  return {
    repository,
    sources: ['app'],
    keep: { last: 2 },
    timezone: 'UTC',
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

it('refuses an empty set of rules before anything else', async () => {
  await addSnapshot(1, 'app')
  await expect(forget(request({ keep: {} }))).rejects.toMatchObject({ code: 'usage' })
  expect(await days()).toEqual([1])
})
