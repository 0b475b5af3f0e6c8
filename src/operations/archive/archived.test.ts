import { expect, test } from 'vitest'
import { StandingClock } from '../../../test/helpers/standing-clock.ts'
import { silentLogger } from '../../base/logger.ts'
import type { ArchivedPack, PackArchive } from '../../repository/index.ts'
import type { Run, RunEvent } from '../workspace/run.ts'
import { thaw } from './archived.ts'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

const pack = (id: string, isThawing = false): ArchivedPack => ({ id, sizeBytes: 1024, isThawing, thawMs: 12 * HOUR_MS })

/** An archive that gives one pack back every hour. */
function slowArchive(clock: StandingClock): PackArchive & { readonly asked: string[]; looks: number } {
  const asked: string[] = []
  return {
    asked,
    looks: 0,
    findNeeded: async () => [],
    findAll: async () => [],
    thaw: async packs => {
      asked.push(...packs.map(({ id }) => id))
    },
    stillArchived: async function (packs) {
      this.looks++
      return packs.filter(({ id }) => clock.monotonicMs() < Number(id) * HOUR_MS)
    },
  }
}

function runOf(clock: StandingClock, signal: AbortSignal, events: RunEvent[] = []): Run {
  const tell = (event: RunEvent): void => void events.push(event)
  return { id: 'run', clock, signal, tell, logger: silentLogger, scratchDir: '/nowhere', closeLater: opened => opened }
}

const { signal } = new AbortController()
const wanted = { repository: 'offsite', packs: [pack('1'), pack('2')], again: 'Do it again then' }

test('without waiting it asks, then says how much, when about, and what to type', async () => {
  const clock = new StandingClock(new Date(2026, 10, 30, 20))
  const archive = slowArchive(clock)
  await expect(thaw({ ...wanted, archive, wait: false }, runOf(clock, signal))).rejects.toMatchObject({
    code: 'storage-archived',
    exitCode: 27,
    message:
      '2 packs (2.0 KiB) of repository offsite are archived, and asked for now: ready in about 12 h, at 2026-12-01 08:00:00',
    hint: 'Do it again then, or add --wait to wait for them.',
    context: { packs: 2, bytes: 2048, readyAt: new Date(2026, 11, 1, 8).toISOString() },
  })
  expect(archive.asked).toEqual(['1', '2'])
})

test('nothing that is archived is nothing to wait for', async () => {
  const clock = new StandingClock()
  const archive = slowArchive(clock)
  await thaw({ ...wanted, packs: [], archive, wait: false }, runOf(clock, signal))
  expect(archive.asked).toEqual([])
})

test('with waiting it looks every ten minutes, tells how far it is, and goes on when all is there', async () => {
  const clock = new StandingClock()
  const archive = slowArchive(clock)
  const events: RunEvent[] = []
  let isDone = false
  const waiting = thaw({ ...wanted, archive, wait: true }, runOf(clock, signal, events)).finally(() => {
    isDone = true
  })
  await clock.advance(2 * HOUR_MS - MINUTE_MS)
  expect([isDone, archive.looks]).toEqual([false, 11])
  await clock.advance(MINUTE_MS)
  await waiting
  expect([isDone, archive.looks]).toEqual([true, 12])
  const done = events.flatMap(event => (event.kind === 'progress' ? [event.progress.done] : []))
  expect([Math.min(...done), Math.max(...done)]).toEqual([0, 1])
})

test('an interrupt ends the wait at once', async () => {
  const clock = new StandingClock()
  const stop = new AbortController()
  const waiting = thaw({ ...wanted, archive: slowArchive(clock), wait: true }, runOf(clock, stop.signal))
  await clock.advance(MINUTE_MS)
  stop.abort()
  await expect(waiting).rejects.toMatchObject({ code: 'interrupted' })
})
