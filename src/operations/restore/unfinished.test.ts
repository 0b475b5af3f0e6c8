import { expect, test } from 'vitest'
import type { JournalEntry } from './journal.ts'
import type { SettledRestore } from './settle.ts'
import { findingsOf } from './unfinished.ts'

const run = '1a2b3c4d-0000-4000-8000-000000000000'

function settled(outcome: SettledRestore['outcome'], fields: Partial<JournalEntry> = {}): SettledRestore {
  const entry: JournalEntry = {
    format: 1,
    run,
    operation: 'restore',
    source: 'app',
    kind: 'sqlite',
    strategy: 'replace',
    target: '/data/app.db',
    places: ['/data/app.db'],
    repository: 'main',
    snapshot: 'a'.repeat(64),
    startedAt: '2026-09-04T02:00:00.000Z',
    owner: { hostname: 'host', pid: 1 },
    phase: 'done',
    existed: true,
    keepAs: 'before-1a2b3c4d',
    kept: [],
    hookRan: false,
    ...fields,
  }
  return { entry, outcome, findings: [] }
}

test.each([
  [
    'finished',
    'warning',
    'it was finished: what was restored is in place',
    'Take it back with: lifeboat undo 1a2b3c4d',
  ],
  ['unclear', 'warning', 'it ended at its very commit', 'Take it back with: lifeboat undo 1a2b3c4d'],
  ['rolled-back', 'warning', 'it was taken back: what was there is there again', undefined],
  ['untouched', 'warning', 'it had changed nothing', undefined],
  ['failed', 'error', 'it is not brought to an end yet', undefined],
] as const)('says of an interrupted restore that is %s what became of it', (outcome, severity, message, hint) => {
  const [found, ...others] = findingsOf(settled(outcome))
  expect(others).toEqual([])
  expect(found).toMatchObject({ severity, code: 'restore-settled', subject: '/data/app.db' })
  expect(found?.message).toContain(`a restore (run 1a2b3c4d) was interrupted; ${message}`)
  expect(found?.hint).toBe(hint)
})

test('names what a restore that was finished keeps, and how to remove it', () => {
  const kept = [{ target: '/data/app.db', kept: '/data/app.db.before-1a2b3c4d' }]
  const [found] = findingsOf(settled('finished', { kept }))
  expect(found?.message).toContain('and what was there is kept as /data/app.db.before-1a2b3c4d')
  expect(found?.hint).toBe('"lifeboat undo 1a2b3c4d" puts that back. Remove it with: lifeboat undo 1a2b3c4d --discard')
})

test('says of one to a new place that the same again goes on with it, and tells an undo from a restore', () => {
  const [fresh] = findingsOf(settled('untouched', { existed: false }))
  expect(fresh?.hint).toContain('goes on where it was')
  expect(findingsOf(settled('rolled-back', { operation: 'undo' }))[0]?.message).toContain('an undo (run 1a2b3c4d)')
})

test('hands on what settling found', () => {
  const kept = { severity: 'warning', code: 'taken-back-kept', subject: '/data/app.db', message: 'it is kept' } as const
  expect(findingsOf({ ...settled('rolled-back'), findings: [kept] })[1]).toEqual(kept)
})
