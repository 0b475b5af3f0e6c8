import { describe, expect, test } from 'vitest'
import type { SlotRecord } from '../catalog/catalog.ts'
import type { Schedule } from '../model/schedule.ts'
import { decide, type Job, type JobMemory } from './due.ts'

const job = (schedule: Partial<Schedule> = {}): Job => ({
  name: 'backup nightly',
  schedule: { cron: '0 2 * * *', timezone: 'UTC', ...schedule },
})
const day = (date: number, time = '02:00'): Date =>
  new Date(`2026-05-${String(date).padStart(2, '0')}T${time.length === 5 ? `${time}:00` : time}Z`)

function memory(last: Partial<SlotRecord> | undefined, more: Partial<JobMemory> = {}): JobMemory {
  const slot = last && {
    job: 'backup nightly',
    at: day(3),
    wall: '',
    timezone: 'UTC',
    schedule: 'h',
    attempt: 1,
    phase: 'done' as const,
    changedAt: day(3, '02:10'),
    ...last,
  }
  return {
    since: day(1, '12:00'),
    last: slot,
    wasTaken: at => at.getTime() === slot?.at.getTime(),
    ...more,
  }
}

const decided = (known: JobMemory, now: Date, schedule: Partial<Schedule> = {}) =>
  decide(job(schedule), known, 'host', now)

describe('is it time?', () => {
  test('at the time, and not before', () => {
    expect(decided(memory({}), day(4, '01:59'))).toEqual({ run: false, next: day(4) })
    expect(decided(memory({}), day(4))).toEqual({ run: true, slot: day(4), attempt: 1, why: 'on time' })
    expect(decided(memory({ at: day(4) }), day(4, '02:01'))).toEqual({ run: false, next: day(5) })
  })

  test('after a week asleep the newest runs, once, and is late', () => {
    expect(decided(memory({}), day(11, '09:00'))).toEqual({ run: true, slot: day(11), attempt: 1, why: 'late' })
    expect(decided(memory({ at: day(11) }), day(11, '09:01'))).toMatchObject({ run: false })
  })

  test('nothing before the schedule was first seen is caught up', () => {
    expect(decided(memory(undefined), day(1, '13:00'))).toEqual({ run: false, next: day(2) })
    expect(decided(memory(undefined), day(2))).toMatchObject({ run: true, slot: day(2) })
  })

  test('what runs is left alone, however much is due', () => {
    expect(decided(memory({ phase: 'running' }), day(9))).toEqual({ run: false, next: undefined })
  })

  test('a pause ends by itself, and what came meanwhile is caught up once', () => {
    const paused = memory({}, { pausedUntil: day(8, '12:00') })
    expect(decided(paused, day(6))).toEqual({ run: false, next: day(8, '12:00') })
    expect(decided(paused, day(8, '12:00'))).toMatchObject({ run: true, slot: day(8), why: 'late' })
  })

  test('a failed run is tried again after 1, 5 and 15 minutes', () => {
    const failed = (attempt: number): JobMemory => memory({ phase: 'failed', attempt, changedAt: day(3, '03:00') })
    const tries = [1, 2, 3].map(attempt => {
      const waiting = decided(failed(attempt), day(3, '03:00'))
      return waiting.run ? undefined : waiting.next
    })
    expect(tries).toEqual([day(3, '03:01'), day(3, '03:05'), day(3, '03:15')])
    expect(decided(failed(3), day(3, '03:15'))).toEqual({ run: true, slot: day(3), attempt: 4, why: 'retry' })
    expect(decided(memory({ phase: 'given-up', attempt: 4 }), day(3, '09:00'))).toEqual({ run: false, next: day(4) })
  })

  test('a new time takes the place of a retry', () => {
    const failed = memory({ phase: 'failed', changedAt: day(4, '01:59:30') })
    expect(decided(failed, day(4, '02:01'))).toMatchObject({ slot: day(4), attempt: 1 })
  })

  test('a clock that goes back runs nothing twice, and keeps nothing from running', () => {
    const wrong = memory(
      { at: day(20), changedAt: day(20, '02:10') },
      { wasTaken: at => at <= day(3) || at >= day(20) },
    )
    expect(decided(wrong, day(3, '05:00'))).toMatchObject({ run: false })
    expect(decided(wrong, day(4))).toMatchObject({ run: true, slot: day(4) })
    // First seen in a future that was none.
    const early = memory(undefined, { since: day(25) })
    expect(decided(early, day(4, '01:00'))).toMatchObject({ run: false })
    const failed = memory({ phase: 'failed', at: day(3), changedAt: day(25) })
    expect(decided(failed, day(3, '05:00'))).toMatchObject({ run: true, slot: day(3), attempt: 2, why: 'retry' })
  })

  test('a window holds starts and retries back', () => {
    const window = { from: 60, to: 300 }
    expect(decided(memory({}), day(4, '09:00'), { window })).toEqual({ run: false, next: day(5, '01:00') })
    expect(decided(memory({}), day(5, '01:00'), { window })).toMatchObject({ run: true, slot: day(4), why: 'late' })
    const failed = memory({ phase: 'failed', changedAt: day(3, '04:59') })
    expect(decided(failed, day(3, '05:00'), { window })).toEqual({ run: false, next: day(4, '01:00') })
  })

  test('a jitter is no delay', () => {
    const jitterMs = 600_000
    const waiting = decided(memory({}), day(4, '01:00'), { jitterMs })
    const start = waiting.run ? undefined : waiting.next
    expect(start?.getTime()).toBeGreaterThan(day(4).getTime())
    expect(start?.getTime()).toBeLessThan(day(4, '02:10').getTime())
    expect(decided(memory({}), start ?? day(1), { jitterMs })).toEqual({
      run: true,
      slot: day(4),
      attempt: 1,
      why: 'on time',
    })
  })
})
