import { expect, test } from 'vitest'
import { removalRuns, wholeMoment } from './whole-moment.ts'

const at = (time: string): Date => new Date(`2026-11-30T${time}Z`)

test('removals that are no more than ten minutes apart are one row', () => {
  expect(removalRuns([at('03:09:59'), at('03:00:00'), at('03:25:00'), at('03:19:59')])).toEqual([
    { from: at('03:00:00'), to: at('03:25:00') },
  ])
  expect(removalRuns([at('03:00:00'), at('03:10:01')])).toHaveLength(2)
  expect(removalRuns([])).toEqual([])
})

const RUNS = [{ from: at('03:00:00'), to: at('03:05:00') }]

test.each([
  ['before it', '02:59:59', '02:59:59.000', false],
  ['at its first removal', '03:00:00', '02:59:59.999', true],
  ['in the middle', '03:04:59', '02:59:59.999', true],
  ['at its last removal', '03:05:00', '03:05:00.000', false],
  ['after it', '03:05:01', '03:05:01.000', false],
] as const)('of a row of removals, a moment %s', (_, asked, expected, isMoved) => {
  const moment = wholeMoment(at(asked), RUNS)
  expect(moment).toEqual({ at: at(expected), before: isMoved ? RUNS[0] : undefined })
})
