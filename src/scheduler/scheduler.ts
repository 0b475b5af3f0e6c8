import type { Clock } from '../base/clock.ts'
import { lifeOf, type Owner } from '../base/process-life.ts'
import type { Catalog, JobRecord, SlotRecord } from '../catalog/catalog.ts'
import { scheduleHash, wallTime } from '../model/schedule.ts'
import { type Decision, decide, type Job, type JobMemory, phaseAfterFailure } from './due.ts'

/** The part of the catalog that remembers what ran when. */
export type ScheduleStore = Pick<
  Catalog,
  'saveJob' | 'listJobs' | 'claimSlot' | 'updateSlot' | 'listSlots' | 'listRuns'
>

/** Starts a job in a process of its own. */
export type StartJob = (job: Job, start: JobStart) => RunningJob

export interface JobStart {
  readonly slot: Date
  readonly attempt: number
  readonly why: Extract<Decision, { run: true }>['why']
}

export interface RunningJob {
  readonly owner: Owner | undefined
  /** True: it did what it was for. Never rejects. */
  readonly ended: Promise<JobEnd>
  /** Asks it to end; it must, soon. */
  stop(): void
}

export interface JobEnd {
  readonly done: boolean
  /** The run in the catalog, where it came so far. */
  readonly run?: string | undefined
}

export interface SchedulerOptions {
  readonly store: ScheduleStore
  readonly start: StartJob
  readonly clock: Pick<Clock, 'now'>
  readonly host: string
  /** How many jobs run at once. */
  readonly parallel: number
  /** Told of what can't be thrown: nobody waits for it. */
  readonly onError: (error: unknown) => void
}

/** Slots of a job that are remembered one by one. */
const REMEMBERED = 2000

interface Known {
  job: Job
  record: JobRecord
  last: SlotRecord | undefined
  readonly taken: Set<number>
  /** Nothing to decide before, unless something changes. */
  lookAt: number
}

interface Waiting {
  readonly known: Known
  readonly decision: Extract<Decision, { run: true }>
}

/**
 * Runs jobs at their times. It has no timer: whoever holds it calls `tick` every few seconds, and each tick looks at the
 * clock anew. What was taken up is written down before it starts, so that nothing runs twice and nothing is forgotten.
 */
export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #known = new Map<string, Known>()
  readonly #running = new Map<string, RunningJob>()
  readonly #ends = new Set<Promise<void>>()
  #lastTick = Number.NEGATIVE_INFINITY
  #stopped = false

  constructor(options: SchedulerOptions) {
    this.#options = options
  }

  /** Names of the jobs that run in processes of ours. */
  get running(): readonly string[] {
    return [...this.#running.keys()]
  }

  /** Takes these jobs instead of those before. What runs goes on. A job whose schedule changed begins now. */
  async configure(jobs: readonly Job[]): Promise<void> {
    const now = this.#options.clock.now()
    const records = new Map((await this.#options.store.listJobs()).map(record => [record.name, record]))
    const names = new Set(jobs.map(job => job.name))
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name)
    for (const job of jobs) {
      const record = await this.#recordOf(job, records.get(job.name), now)
      const before = this.#known.get(job.name)
      if (before) Object.assign(before, { job, record, lookAt: 0 })
      else this.#known.set(job.name, await this.#remember(job, record))
    }
  }

  async #recordOf(job: Job, before: JobRecord | undefined, now: Date): Promise<JobRecord> {
    const schedule = scheduleHash(job.schedule)
    const isSame = before?.schedule === schedule && before.since <= now
    const record = isSame ? before : { name: job.name, schedule, since: now, pausedUntil: before?.pausedUntil }
    if (!isSame) await this.#options.store.saveJob(record)
    return record
  }

  async #remember(job: Job, record: JobRecord): Promise<Known> {
    const slots = await this.#options.store.listSlots({ job: job.name, limit: REMEMBERED })
    return { job, record, last: slots[0], taken: new Set(slots.map(slot => slot.at.getTime())), lookAt: 0 }
  }

  /** Reads pauses anew: they are set by other processes. */
  async refreshPauses(): Promise<void> {
    for (const record of await this.#options.store.listJobs()) {
      const known = this.#known.get(record.name)
      if (known === undefined || known.record.pausedUntil?.getTime() === record.pausedUntil?.getTime()) continue
      known.record = { ...known.record, pausedUntil: record.pausedUntil }
      known.lookAt = 0
    }
  }

  /** Starts what is due. */
  async tick(): Promise<void> {
    if (this.#stopped) return
    const now = this.#options.clock.now()
    if (now.getTime() < this.#lastTick) for (const known of this.#known.values()) known.lookAt = 0
    this.#lastTick = now.getTime()
    const waiting: Waiting[] = []
    for (const known of this.#known.values()) {
      if (this.#running.has(known.job.name) || known.lookAt > now.getTime()) continue
      await this.#settle(known, now)
      const decision = decide(known.job, memoryOf(known), this.#options.host, now)
      if (decision.run) waiting.push({ known, decision })
      else if (known.last?.phase !== 'running') known.lookAt = decision.next?.getTime() ?? Number.POSITIVE_INFINITY
    }
    // Who was due first goes first; the others stay due.
    waiting.sort((one, other) => one.decision.slot.getTime() - other.decision.slot.getTime())
    for (const each of waiting) {
      if (this.#running.size >= this.#options.parallel) return
      await this.#begin(each, now)
    }
  }

  /** Milliseconds until anything is due, by the clock as it is now; infinite where nothing is. */
  untilNextMs(): number {
    const idle = [...this.#known.values()].filter(({ job }) => !this.#running.has(job.name))
    return Math.min(...idle.map(each => each.lookAt)) - this.#options.clock.now().getTime()
  }

  /** When a job is due next, for people. */
  nextOf(name: string): Date | undefined {
    const now = this.#options.clock.now()
    const known = this.#known.get(name)
    if (known === undefined) return undefined
    const decision = decide(known.job, memoryOf(known), this.#options.host, now)
    return decision.run ? now : decision.next
  }

  /** No new work; what runs is asked to end. Gives when all has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    const running = [...this.#running.values()]
    for (const job of running) job.stop()
    await Promise.all(running.map(job => job.ended))
    await Promise.all(this.#ends)
  }

  async #begin({ known, decision }: Waiting, now: Date): Promise<void> {
    const { job, record } = known
    const { slot, attempt, why } = decision
    const { timezone } = job.schedule
    const claimed: SlotRecord = {
      job: job.name,
      at: slot,
      wall: wallTime(timezone, slot),
      timezone,
      schedule: record.schedule,
      attempt,
      phase: 'running',
      changedAt: now,
    }
    const isOurs = await this.#options.store.claimSlot(claimed)
    known.taken.add(slot.getTime())
    known.last = claimed
    // Another daemon with the same catalog has it: what becomes of it is read there.
    if (!isOurs) return void (known.last = (await this.#options.store.listSlots({ job: job.name, limit: 1 }))[0])
    const running = this.#options.start(job, { slot, attempt, why })
    this.#running.set(job.name, running)
    if (running.owner !== undefined) await this.#save(known, { ...claimed, owner: running.owner })
    const end = this.#end(known, running).catch(this.#options.onError)
    this.#ends.add(end)
    void end.finally(() => this.#ends.delete(end))
  }

  async #end(known: Known, running: RunningJob): Promise<void> {
    const { done, run } = await running.ended
    this.#running.delete(known.job.name)
    const { last } = known
    if (last === undefined) return
    const phase = done ? 'done' : phaseAfterFailure(last.attempt)
    await this.#save(known, { ...last, phase, run, changedAt: this.#options.clock.now() })
    known.lookAt = 0
  }

  /** What another process took up and is running, or was when it was killed. */
  async #settle(known: Known, now: Date): Promise<void> {
    const { last } = known
    if (last?.phase !== 'running') return
    if (last.owner !== undefined && lifeOf(last.owner) === 'living') return
    const [run] = last.run === undefined ? [] : await this.#options.store.listRuns({ id: last.run, limit: 1 })
    const done = run?.end?.outcome === 'done' || run?.end?.outcome === 'incomplete'
    await this.#save(known, { ...last, phase: done ? 'done' : phaseAfterFailure(last.attempt), changedAt: now })
  }

  async #save(known: Known, slot: SlotRecord): Promise<void> {
    known.last = slot
    await this.#options.store.updateSlot(slot)
  }
}

function memoryOf({ record, last, taken }: Known): JobMemory {
  return { since: record.since, last, wasTaken: slot => taken.has(slot.getTime()), pausedUntil: record.pausedUntil }
}
