import { expect, test } from 'vitest'
import type { JournalEntry } from './journal.ts'
import { listNeededSnapshots } from './needed-snapshots.ts'

const NOW = new Date('2026-03-01T00:00:00Z')

function entryOf(run: string, fields: Partial<JournalEntry>): JournalEntry {
  return {
    format: 1,
    run,
    operation: 'restore',
    source: 'app',
    kind: 'sqlite',
    strategy: 'replace',
    target: '/data/app.db',
    places: ['/data/app.db'],
    repository: 'main',
    snapshot: `restored-${run}`,
    startedAt: '2026-02-28T00:00:00.000Z',
    owner: { hostname: 'host', pid: 1 },
    phase: 'done',
    existed: true,
    keepAs: `before-${run}`,
    kept: [],
    safety: { repository: 'main', snapshot: `safety-${run}` },
    hookRan: false,
    ...fields,
  }
}

const needed = (...entries: JournalEntry[]): string[] =>
  listNeededSnapshots(entries, NOW).map(({ snapshot }) => snapshot)

test('a restore that has not ended needs its snapshot and its safety point', () => {
  for (const phase of ['preparing', 'changing', 'changed'] as const) {
    expect(needed(entryOf('a', { phase }))).toEqual(['restored-a', 'safety-a'])
  }
  expect(needed(entryOf('a', { phase: 'preparing', safety: undefined }))).toEqual(['restored-a'])
  // An undo of what was written into a folder, which is taken back by what came then.
  const files = { repository: 'main', snapshot: 'brought', include: [] }
  expect(needed(entryOf('a', { phase: 'changing', files }))).toEqual(['restored-a', 'safety-a', 'brought'])
})

test('a restore that can be undone needs its safety point, and tells why', () => {
  expect(listNeededSnapshots([entryOf('aaaabbbbcccc', {})], NOW)).toEqual([
    { repository: 'main', snapshot: 'safety-aaaabbbbcccc', reason: 'undo of restore aaaabbbb', unfinished: false },
  ])
})

test('what was undone, failed or rolled back needs nothing', () => {
  expect(needed(entryOf('a', { undoneBy: 'b' }))).toEqual([])
  for (const phase of ['failed', 'rolled-back'] as const) expect(needed(entryOf('a', { phase }))).toEqual([])
})

test('after 30 days only the last restore of each target needs its safety point', () => {
  const old = (run: string, day: string, fields: Partial<JournalEntry> = {}) =>
    entryOf(run, { startedAt: `2026-01-${day}T00:00:00.000Z`, finishedAt: `2026-01-${day}T01:00:00.000Z`, ...fields })
  expect(needed(old('a', '01'), old('b', '02'))).toEqual(['safety-b'])
  expect(needed(old('a', '01'), old('b', '02', { undoneBy: 'c' }))).toEqual(['safety-a'])
  expect(needed(old('a', '01'), old('b', '02', { target: '/data/other.db' }))).toEqual(['safety-a', 'safety-b'])
  expect(needed(old('a', '01'), old('b', '31'), entryOf('c', {}))).toEqual(['safety-b', 'safety-c'])
})
