import { expect, it } from 'vitest'
import { SteppedClock } from '../../../test/helpers/engine.ts'
import { StepLog } from './step-log.ts'

it('tells steps in the order they began, each with its own time', async () => {
  let nowMs = 0
  const clock = Object.assign(new SteppedClock(), { monotonicMs: () => nowMs })
  const pass = async (ms: number): Promise<void> => {
    nowMs += ms
  }
  const begun: string[] = []
  const log = new StepLog(clock, name => begun.push(name))
  await log.step('restored', async () => {
    await pass(100)
    await log.step('stopped', () => pass(30))
    log.skip('made safe', 'kept')
    await expect(log.step('asked', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    await pass(5)
  })
  await log.step('started', () => pass(7))
  expect(log.steps.map(({ name, outcome, durationMs, note }) => [name, outcome, durationMs, note])).toEqual([
    ['restored', 'done', 105, undefined],
    ['stopped', 'done', 30, undefined],
    ['made safe', 'skipped', 0, 'kept'],
    ['asked', 'failed', 0, 'no'],
    ['started', 'done', 7, undefined],
  ])
  expect(begun).toEqual(['restored', 'stopped', 'asked', 'started'])
})
