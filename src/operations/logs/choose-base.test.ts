import { expect, it } from 'vitest'
import { adviseMoment } from './choose-base.ts'
import type { TimedWindow } from './windows.ts'

const window = (branch: number, from: string, to: string): TimedWindow => ({
  branch,
  bases: [],
  from: new Date(`2026-09-01T${from}Z`),
  to: new Date(`2026-09-01T${to}Z`),
  fromPosition: '1',
  toPosition: '2',
  lastFile: undefined,
})
const at = (time: string) => ({ kind: 'time', epochMicros: Date.parse(`2026-09-01T${time}Z`) * 1000 }) as const

it('names the branch that a moment lies on, where recovery goes along another one', () => {
  const left = window(1, '02:00:00', '05:00:00')
  const latest = window(2, '06:00:00', '07:00:00')
  expect(adviseMoment(at('04:30:00'), [left, latest], 'timeline')).toMatch(
    /^Add --timeline 1: .*Choose a moment within: /,
  )
  expect(adviseMoment(at('06:30:00'), [left, latest], 'timeline')).toMatch(/^Add --timeline 2: .*\(--timeline 2\)\.$/)
  expect(adviseMoment(at('05:30:00'), [left, latest], 'timeline')).toMatch(/^Choose a moment within: /)
  expect(adviseMoment({ kind: 'end' }, [left, latest], 'timeline')).toMatch(/^Choose a moment within: /)
})
