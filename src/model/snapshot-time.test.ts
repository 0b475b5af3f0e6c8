import { expect, test } from 'vitest'
import { findWrongTime } from './snapshot-time.ts'

const NOW = new Date('2026-03-01T12:00:00Z')
const at = (text: string): Date => new Date(`2026-${text}:00Z`)

test.each([
  ['stored when it says, or later, as a copy', at('02-01T00:00'), at('02-20T00:00'), undefined],
  ['of a storage that tells no times', at('02-01T00:00'), undefined, undefined],
  ['dated a little after it was stored, as by clocks that differ', at('02-01T01:00'), at('02-01T00:00'), undefined],
  ['dated hours after it was stored', at('02-01T03:00'), at('02-01T00:00'), 'after-stored'],
  ['of a moment to come', at('03-01T13:00'), undefined, 'future'],
  ['of a moment to come, and stored before', at('04-01T00:00'), at('03-01T00:00'), 'future'],
  ['of a minute to come, as by clocks that differ', at('03-01T12:01'), at('03-01T12:00'), undefined],
] as const)('the time of a snapshot %s', (_, time, storedAt, wrong) => {
  expect(findWrongTime({ time, storedAt }, NOW)).toBe(wrong)
})
