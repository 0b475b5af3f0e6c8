import { describe, expect, test } from 'vitest'
import type { Change, Kind } from './events.ts'
import { findMarks, type Known, momentBefore, type TimedEvent } from './marks.ts'

const at = (time: string): Date => new Date(`2026-11-30T${time}Z`)
const event = (kind: Kind, change: Change, time: string): TimedEvent => ({ kind, change, at: at(time) })
const span = (from: string, to: string) => ({ from: at(from), to: at(to) })

const MADE = [event('config', 'added', '00:00:00'), event('keys', 'added', '00:00:00')]
const BACKED_UP = [...MADE, event('packs', 'added', '01:00:00'), event('snapshots', 'added', '01:00:01')]
const NOBODY: Known = { locks: [], runs: [] }

const codes = (events: readonly TimedEvent[], known = NOBODY): string[] =>
  [...findMarks(events, known)].map(({ code }) => code)

describe('what is suspicious in the history of a repository', () => {
  test('is nothing that init, backup, forget and prune of this machine do', () => {
    const pruned = [
      ...BACKED_UP,
      event('snapshots', 'added', '02:00:00'),
      event('snapshots', 'deleted', '03:00:00'),
      event('indexes', 'deleted', '03:00:01'),
      event('packs', 'deleted', '03:00:02'),
    ]
    const known = { locks: [span('02:59:58', '03:00:03')], runs: [span('02:59:50', '03:00:10')] }
    expect(codes(pruned, known)).toEqual([])
  })

  test.each([
    ['another config', event('config', 'overwritten', '05:00:00'), ['config-changed']],
    ['no config', event('config', 'deleted', '05:00:00'), ['config-changed']],
    ['a key less', event('keys', 'deleted', '05:00:00'), ['keys-deleted']],
    ['a key more', event('keys', 'added', '05:00:00'), ['keys-added']],
    ['a key more, soon after the first', event('keys', 'added', '00:30:00'), []],
    ['another pack of the same name', event('packs', 'overwritten', '05:00:00'), ['overwritten']],
    ['what is no part of a repository', event('other', 'overwritten', '05:00:00'), []],
    ['packs that go without a lock', event('packs', 'deleted', '05:00:00'), ['deleted-without-lock']],
    [
      'the end of the last snapshot',
      event('snapshots', 'deleted', '05:00:00'),
      ['deleted-without-lock', 'no-snapshots-left'],
    ],
  ] as const)('is %s: %o', (_, last, expected) => {
    expect(codes([...BACKED_UP, last].toSorted((a, b) => Number(a.at) - Number(b.at)))).toEqual(expected)
  })

  test('is a prune that nobody here knows of', () => {
    const events = [...BACKED_UP, event('packs', 'deleted', '05:00:00')]
    const locks = [span('04:59:00', '05:00:01')]
    expect(codes(events, { locks, runs: [] })).toEqual(['not-recorded'])
    // Two clocks need not agree.
    expect(codes(events, { locks, runs: [span('05:04:00', '05:05:00')] })).toEqual([])
  })

  test('is no key that was changed from here', () => {
    const events = [...BACKED_UP, event('keys', 'added', '05:00:00'), event('keys', 'deleted', '05:00:01')]
    expect(codes(events, { locks: [], runs: [span('04:59:59', '05:00:02')] })).toEqual([])
  })
})

describe('the moment before', () => {
  test('is the last second before what is certainly wrong', () => {
    const wrong = { code: 'config-changed', at: at('05:00:00.400') } as const
    expect(momentBefore([wrong])).toEqual(at('04:59:59'))
    expect(momentBefore([{ ...wrong, at: at('05:00:00') }])).toEqual(at('04:59:59'))
  })

  test('is before a prune that nobody knows of, in the day before that', () => {
    const marks = [
      { code: 'not-recorded', at: new Date('2026-11-28T05:00:00Z') },
      { code: 'not-recorded', at: at('04:00:00') },
      { code: 'config-changed', at: at('05:00:00') },
    ] as const
    expect(momentBefore(marks)).toEqual(at('03:59:59'))
  })

  test('is before the last prune that nobody knows of, where nothing else is wrong', () => {
    const marks = [
      { code: 'not-recorded', at: at('04:00:00') },
      { code: 'not-recorded', at: at('06:00:00') },
    ] as const
    expect(momentBefore(marks)).toEqual(at('05:59:59'))
    expect(momentBefore([])).toBeUndefined()
  })
})
