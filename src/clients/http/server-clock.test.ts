import { expect, test } from 'vitest'
import { ServerClock } from './server-clock.ts'

const OURS = Date.UTC(2026, 0, 1)
const at = (ms: number): string => new Date(ms).toUTCString()
const HOUR = 3_600_000

test('tells the time of the server whose clock is far from ours', () => {
  const clock = new ServerClock({ now: () => new Date(OURS) })
  expect(clock.now()).toEqual(new Date(OURS))
  clock.hear({ date: at(OURS + 5 * HOUR) })
  expect(clock.now()).toEqual(new Date(OURS + 5 * HOUR))
  clock.hear({ date: 'no date' })
  clock.hear({})
  expect(clock.now()).toEqual(new Date(OURS + 5 * HOUR))
})

test('keeps to our clock where the server’s is near it', () => {
  const clock = new ServerClock({ now: () => new Date(OURS) })
  clock.hear({ date: at(OURS - HOUR) })
  clock.hear({ date: at(OURS - 30_000) })
  expect(clock.now()).toEqual(new Date(OURS))
})
