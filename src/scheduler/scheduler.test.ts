import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JobRecord, SlotRecord } from '../catalog/catalog.ts'
import { newestSlot } from '../model/schedule.ts'
import type { Job } from './due.ts'
import { type JobEnd, type JobStart, Scheduler, type ScheduleStore } from './scheduler.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** A catalog that lives as long as the test. */
class Store implements ScheduleStore {
  readonly jobs = new Map<string, JobRecord>()
  readonly slots = new Map<string, SlotRecord>()
  readonly #key = ({ job, at }: SlotRecord): string => `${job} ${at.toISOString()}`

  saveJob = async (job: JobRecord): Promise<void> => void this.jobs.set(job.name, job)
  listJobs = async (): Promise<JobRecord[]> => [...this.jobs.values()]
  listRuns = async () => []
  claimSlot = async (slot: SlotRecord): Promise<boolean> => {
    const before = this.slots.get(this.#key(slot))
    if (before && !(before.phase === 'failed' && before.attempt < slot.attempt)) return false
    this.slots.set(this.#key(slot), slot)
    return true
  }
  updateSlot = async (slot: SlotRecord): Promise<void> => void this.slots.set(this.#key(slot), slot)
  listSlots = async ({ job, limit }: { job?: string; limit: number }): Promise<SlotRecord[]> => {
    const found = [...this.slots.values()].filter(slot => job === undefined || slot.job === job)
    return found.toSorted((one, other) => other.changedAt.getTime() - one.changedAt.getTime()).slice(0, limit)
  }
}

interface Started extends JobStart {
  readonly job: string
  readonly at: Date
}

/** One host: a clock that the test moves, jobs that end when it says so, a daemon that it can kill. */
class World {
  now: number
  readonly store = new Store()
  readonly started: Started[] = []
  readonly running = new Map<string, (end: JobEnd) => void>()
  readonly jobs: Job[]
  readonly #parallel: number
  #scheduler: Scheduler

  constructor(jobs: Job[], start: string, parallel = 10) {
    this.jobs = jobs
    this.now = Date.parse(start)
    this.#parallel = parallel
    this.#scheduler = this.#newScheduler()
  }

  get scheduler(): Scheduler {
    return this.#scheduler
  }

  async begin(): Promise<void> {
    await this.#scheduler.configure(this.jobs)
    await this.#scheduler.tick()
  }

  async advance(ms: number): Promise<void> {
    this.now += ms
    await this.#scheduler.tick()
  }

  async end(job: string, done = true): Promise<void> {
    this.running.get(job)?.({ done })
    // Until the end is written down.
    await new Promise(resolve => setImmediate(resolve))
  }

  /** As kill -9 of everything: nothing that ran says how it ended. */
  async kill(): Promise<void> {
    this.running.clear()
    this.#scheduler = this.#newScheduler()
    await this.begin()
  }

  #newScheduler(): Scheduler {
    return new Scheduler({
      store: this.store,
      clock: { now: () => new Date(this.now) },
      host: 'host',
      parallel: this.#parallel,
      onError: error => {
        throw error
      },
      start: (job, start) => {
        if (this.running.has(job.name)) throw new Error(`${job.name} runs twice at once`)
        this.started.push({ ...start, job: job.name, at: new Date(this.now) })
        const { promise, resolve } = Promise.withResolvers<JobEnd>()
        this.running.set(job.name, end => {
          this.running.delete(job.name)
          resolve(end)
        })
        return { owner: undefined, ended: promise, stop: () => this.running.get(job.name)?.({ done: false }) }
      },
    })
  }
}

const job = (name: string, cron: string, timezone = 'UTC'): Job => ({ name, schedule: { cron, timezone } })

describe('the scheduler', () => {
  test('runs each job at its time, and none twice', async () => {
    const world = new World([job('hourly', '0 * * * *'), job('daily', '0 2 * * *')], '2026-05-01T00:30Z')
    await world.begin()
    for (let minute = 0; minute < 24 * 60; minute++) {
      await world.advance(MINUTE)
      await world.end('hourly')
      await world.end('daily')
    }
    expect(world.started.filter(each => each.job === 'hourly')).toHaveLength(24)
    expect(world.started.filter(each => each.job === 'daily').map(each => each.at)).toEqual([
      new Date('2026-05-01T02:00Z'),
    ])
    expect(new Set(world.started.map(each => each.why))).toEqual(new Set(['on time']))
  })

  test('holds to the number that may run at once; who was due first goes first', async () => {
    const world = new World(
      [job('b', '1 * * * *'), job('a', '2 * * * *'), job('c', '3 * * * *')],
      '2026-05-01T00:30Z',
      1,
    )
    await world.begin()
    await world.advance(HOUR)
    expect([...world.running.keys()]).toEqual(['b'])
    await world.end('b')
    await world.advance(MINUTE)
    expect([...world.running.keys()]).toEqual(['a'])
  })

  test('a run that takes longer than its interval is followed by one run, not by all that it missed', async () => {
    const world = new World([job('often', '*/5 * * * *')], '2026-05-01T00:01Z')
    await world.begin()
    await world.advance(5 * MINUTE)
    for (let minute = 0; minute < 60; minute++) await world.advance(MINUTE)
    expect(world.started).toHaveLength(1)
    await world.end('often')
    await world.advance(MINUTE)
    await world.end('often')
    await world.advance(MINUTE)
    expect(world.started.map(each => each.why)).toEqual(['on time', 'late'])
  })

  test('tries again after a failure, and after a kill that left it running', async () => {
    const world = new World([job('daily', '0 2 * * *')], '2026-05-01T01:00Z')
    await world.begin()
    await world.advance(HOUR)
    await world.end('daily', false)
    await world.advance(MINUTE)
    await world.kill()
    for (let minute = 0; minute < 10; minute++) await world.advance(MINUTE)
    await world.end('daily')
    for (let hour = 0; hour < 12; hour++) await world.advance(HOUR)
    expect(world.started.map(each => [each.attempt, each.why])).toEqual([
      [1, 'on time'],
      [2, 'retry'],
      [3, 'retry'],
    ])
    expect([...world.store.slots.values()].map(each => each.phase)).toEqual(['done'])
  })

  test('gives up after the fourth try, until the next time', async () => {
    const world = new World([job('daily', '0 2 * * *')], '2026-05-01T01:00Z')
    await world.begin()
    for (let minute = 0; minute < 25 * 60; minute++) {
      await world.advance(MINUTE)
      await world.end('daily', false)
    }
    expect(world.started.map(each => each.attempt)).toEqual([1, 2, 3, 4, 1])
  })

  test('a changed schedule begins now, a renamed job as well; what is gone runs no more', async () => {
    const world = new World([job('daily', '0 2 * * *'), job('gone', '* * * * *')], '2026-05-01T01:00Z')
    await world.begin()
    await world.end('gone')
    world.started.length = 0
    world.now += 2 * DAY
    await world.scheduler.configure([job('daily', '30 0 * * *'), job('renamed', '0 2 * * *')])
    await world.scheduler.tick()
    expect(world.started).toEqual([])
    await world.advance(DAY)
    expect(world.started.map(each => each.job).toSorted()).toEqual(['daily', 'renamed'])
  })

  test('hears of a pause that another process set, and of its end', async () => {
    const world = new World([job('daily', '0 2 * * *')], '2026-05-01T01:00Z')
    await world.begin()
    const [record] = await world.store.listJobs()
    await world.store.saveJob({ ...(record as JobRecord), pausedUntil: new Date('2026-05-03T12:00Z') })
    await world.scheduler.refreshPauses()
    for (let hour = 0; hour < 50; hour++) await world.advance(HOUR)
    expect(world.started).toEqual([])
    for (let hour = 0; hour < 12; hour++) await world.advance(HOUR)
    expect(world.started.map(each => each.slot)).toEqual([new Date('2026-05-03T02:00Z')])
  })

  test('stops: no new work, and what runs is asked to end and written down', async () => {
    const world = new World([job('often', '* * * * *')], '2026-05-01T00:00:30Z')
    await world.begin()
    await world.advance(MINUTE)
    await world.scheduler.stop()
    await world.advance(HOUR)
    expect(world.started).toHaveLength(1)
    expect([...world.store.slots.values()].map(each => each.phase)).toEqual(['failed'])
  })

  test('does as a simple model says, whatever clocks, runs and kills do', async () => {
    const step = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 3 * HOUR }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: DAY, max: 9 * DAY }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('back' as const), ms: fc.integer({ min: 1, max: 2 * DAY }) }),
      },
      { weight: 1, arbitrary: fc.constant({ kind: 'kill' as const }) },
      { weight: 8, arbitrary: fc.record({ kind: fc.constant('end' as const), done: fc.boolean() }) },
    )
    const jobs = [
      job('a', '*/20 * * * *'),
      job('b', '30 2 * * *', 'Europe/Berlin'),
      job('c', '0 0 L * *', 'Africa/Cairo'),
    ]
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async steps => {
        const world = new World(jobs, '2026-03-25T00:00:10Z')
        await world.begin()
        for (const each of steps) {
          if (each.kind === 'pass') await world.advance(each.ms)
          else if (each.kind === 'back') await world.advance(-each.ms)
          else if (each.kind === 'kill') await world.kill()
          else for (const name of world.running.keys()) await world.end(name, each.done)
          await world.scheduler.tick()
          for (const { name, schedule } of jobs) requireTaken(world, name, schedule)
        }
        const attempts = world.started.map(each => `${each.job} ${each.slot.toISOString()} ${each.attempt}`)
        expect(new Set(attempts).size).toBe(attempts.length)
        for (const { at, slot, why } of world.started) expect(why === 'retry' || slot <= at).toBe(true)
      }),
      { numRuns: 60 },
    )
  })
})

/** The newest time that has come was taken up, or the job is running something else. */
function requireTaken(world: World, name: string, schedule: Job['schedule']): void {
  const since = world.store.jobs.get(name)?.since ?? new Date(world.now)
  const slot = newestSlot(schedule, since, new Date(world.now))
  if (slot === undefined || world.running.has(name)) return
  const taken = [...world.store.slots.values()].some(each => each.job === name && each.at.getTime() === slot.getTime())
  expect([name, slot.toISOString(), taken]).toEqual([name, slot.toISOString(), true])
}
