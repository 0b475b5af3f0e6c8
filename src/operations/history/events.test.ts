import { expect, test } from 'vitest'
import type { StoredVersion } from '../../storage/storage.ts'
import { eventsOf, kindOf } from './events.ts'

test.each([
  ['config', 'config'],
  ['data/3f/3f2a', 'packs'],
  ['index/3f2a', 'indexes'],
  ['snapshots/3f2a', 'snapshots'],
  ['keys/3f2a', 'keys'],
  ['pins/3f2a/11', 'pins'],
  ['logs/postgres/1/a', 'logs'],
  ['constructor/a', 'other'],
  ['readme', 'other'],
  ['locks/3f2a', undefined],
  ['logs-unfinished/postgres/1/a', undefined],
])('%s is one of the %s', (key, kind) => {
  expect(kindOf(key)).toBe(kind)
})

const version = (second: number, removed = false): StoredVersion => ({
  key: 'config',
  version: String(second),
  at: new Date(second * 1000),
  removed,
  sizeBytes: 1,
  softDeleted: false,
})

test('of an object it is told when it came, was overwritten, went, and came again', () => {
  const newestFirst = [version(5), version(4, true), version(3, true), version(2), version(1)]
  expect([...eventsOf('config', newestFirst)].map(({ change, at }) => [change, Number(at) / 1000])).toEqual([
    ['added', 1],
    ['overwritten', 2],
    ['deleted', 3],
    ['added', 5],
  ])
})

test('of an object whose versions are gone, its removal tells nothing', () => {
  expect([...eventsOf('packs', [version(9, true)])]).toEqual([])
})
