import { expect, test } from 'vitest'
import { StandingClock, settled } from '../../test/helpers/standing-clock.ts'
import { type Bandwidth, bandwidthOf, type LineLimit } from './bandwidth.ts'

/** Somebody who sends as fast as may be, in slices; `sent` counts what passed. */
function send(line: Bandwidth | undefined, bytes: number, signal?: AbortSignal) {
  const state = { sent: 0, done: Promise.resolve() }
  const work = async (): Promise<void> => {
    for (let left = bytes; left > 0; ) {
      const slice = Math.min(left, line?.up?.sliceBytes ?? 64 * 1024)
      await line?.up?.take(slice, signal)
      state.sent += slice
      left -= slice
    }
  }
  state.done = work()
  state.done.catch(() => {})
  return state
}

const MB = 1_000_000
const at = (hour: number, minute = 0): Date => new Date(2026, 10, 30, hour, minute)
const NIGHT: LineLimit = { up: MB, hours: { from: 22 * 60, to: 6 * 60 } }

test('nobody has to ask where nothing is limited', () => {
  expect(bandwidthOf([], new StandingClock())).toBeUndefined()
  expect(bandwidthOf([{ hours: { from: 0, to: 60 } }], new StandingClock())).toBeUndefined()
  expect(bandwidthOf([{ up: MB }], new StandingClock())?.down).toBeUndefined()
})

test('several connections together keep to the rate, evenly and each with its share', async () => {
  const clock = new StandingClock()
  const line = bandwidthOf([{ up: MB }], clock)
  const all = [send(line, 10 * MB), send(line, 10 * MB), send(line, 10 * MB)]
  const total = (): number => all.reduce((sum, { sent }) => sum + sent, 0)
  let before = 0
  for (let tenth = 1; tenth <= 30; tenth++) {
    await clock.advance(100)
    // Never more than a tenth of a second's bytes and two slices.
    expect(total() - before).toBeLessThanOrEqual(MB / 10 + 2 * 62_500)
    before = total()
  }
  expect(total()).toBeGreaterThan(2.9 * MB)
  expect(total()).toBeLessThan(3.2 * MB)
  expect(Math.max(...all.map(({ sent }) => sent)) - Math.min(...all.map(({ sent }) => sent))).toBeLessThanOrEqual(
    62_500,
  )
})

test('what was not used in a pause is not made up for by a flood', async () => {
  const clock = new StandingClock()
  const line = bandwidthOf([{ up: MB }], clock)
  await clock.advance(3_600_000)
  const one = send(line, 10 * MB)
  await clock.advance(1000)
  expect(one.sent).toBeLessThan(1.2 * MB)
})

test('a limit counts within its hours, over midnight, and not outside', async () => {
  for (const [start, limited] of [
    [at(23), true],
    [at(3), true],
    [at(12), false],
  ] as const) {
    const clock = new StandingClock(start)
    const one = send(bandwidthOf([NIGHT], clock), 50 * MB)
    await clock.advance(10_000)
    expect(one.sent === 50 * MB).toBe(!limited)
    if (limited) expect(one.sent).toBeLessThan(10.2 * MB)
  }
})

test('hours that begin or end in the middle of a run take effect within a second', async () => {
  const clock = new StandingClock(at(5, 59))
  const one = send(bandwidthOf([{ ...NIGHT, up: 2048 }], clock), 20 * MB)
  await clock.advance(59_000)
  expect(one.sent).toBeLessThan(200_000)
  await clock.advance(2_000)
  expect(one.sent).toBe(20 * MB)
  const evening = new StandingClock(at(21, 59))
  const line = bandwidthOf([NIGHT], evening)
  await send(line, 5 * MB).done
  await evening.advance(60_000)
  const two = send(line, 5 * MB)
  await evening.advance(1000)
  expect(two.sent).toBeLessThan(1.2 * MB)
})

test('of several windows the first that covers the moment counts, each direction by itself', () => {
  const limits = [{ up: 2 * MB, hours: { from: 480, to: 1080 } }, { down: 4 * MB }, { up: 8 * MB, down: MB }]
  const slices = (now: Date): unknown => {
    const line = bandwidthOf(limits, new StandingClock(now))
    return [line?.up?.sliceBytes, line?.down?.sliceBytes]
  }
  expect(slices(at(12))).toEqual([65536, 65536])
  const slow = bandwidthOf([{ up: 16_384, hours: { from: 480, to: 1080 } }, { up: 32_768 }], new StandingClock(at(12)))
  expect(slow?.up?.sliceBytes).toBe(1024)
  const late = bandwidthOf([{ up: 16_384, hours: { from: 480, to: 1080 } }, { up: 32_768 }], new StandingClock(at(20)))
  expect(late?.up?.sliceBytes).toBe(2048)
})

test('an interrupt ends the wait at once, also of whoever is not yet the next', async () => {
  const clock = new StandingClock()
  const line = bandwidthOf([{ up: 1024 }], clock)
  const stop = new AbortController()
  const [first, second] = [send(line, MB, stop.signal), send(line, MB, stop.signal)]
  await settled()
  stop.abort()
  await expect(first.done).rejects.toMatchObject({ code: 'interrupted' })
  await expect(second.done).rejects.toMatchObject({ code: 'interrupted' })
  const next = send(line, 2048)
  await clock.advance(5000)
  expect(next.sent).toBe(2048)
})
