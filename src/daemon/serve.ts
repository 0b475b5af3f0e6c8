import type { App } from '../app/app.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import { thisProcess } from '../base/process-life.ts'
import type { Settings } from '../model/settings.ts'
import { writeHeartbeat } from '../operations/schedule/heartbeat.ts'
import { type CommandJob, jobsOf } from '../scheduler/jobs.ts'
import type { JobStart } from '../scheduler/scheduler.ts'
import { Scheduler } from '../scheduler/scheduler.ts'
import { type InstanceLock, lockInstance } from './instance-lock.ts'
import { JobProcess, STALL_WARNING_MS } from './job-process.ts'
import { RunLogs } from './run-log.ts'
import { notifySystemd } from './systemd.ts'

/** Clocks jump, machines sleep: longer waits than this are not trusted. */
const TICK_MS = 15_000
const SHORTEST_TICK_MS = 1_000
const ROTATE_EVERY_MS = 3_600_000
/** Backups compete for one disk and one line. */
const PARALLEL = 2
/** A backup and a prune of one repository wait for each other. */
const LOCK_WAIT = '30m'

export interface ServeOptions {
  /** Reads the configuration anew. */
  readonly open: () => Promise<App>
  /** What starts this program with the same configuration; the words of a job follow. */
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  /** Ends it: no new work, and what runs is asked to end. */
  readonly signal: AbortSignal
  /** A line for whoever looks on. */
  readonly say: (line: string) => void
}

export interface Served {
  /** How many runs came to their end, and how many of them did what they were for. */
  readonly ended: number
  readonly done: number
}

interface Running {
  readonly process: JobProcess
  readonly startedAt: Date
  warned: boolean
}

/** Everything that is to happen by itself, until it is told to end. */
export class Server {
  readonly #options: ServeOptions
  readonly #lock: InstanceLock
  readonly #stateFolder: string
  readonly #logs: RunLogs
  readonly #scheduler: Scheduler
  readonly #running = new Map<string, Running>()
  readonly #startedAt: Date
  readonly #app: App
  #commands = new Map<string, CommandJob>()
  #refused: string | null = null
  #rotatedAtMs = Number.NEGATIVE_INFINITY
  #woken = new AbortController()
  #ended = 0
  #done = 0

  private constructor(app: App, stateFolder: string, lock: InstanceLock, options: ServeOptions) {
    this.#app = app
    this.#options = options
    this.#lock = lock
    this.#stateFolder = stateFolder
    this.#startedAt = options.clock.now()
    this.#logs = new RunLogs(`${stateFolder}/logs`, options.clock)
    this.#scheduler = new Scheduler({
      store: app.catalog,
      clock: options.clock,
      host: app.host.hostname,
      parallel: PARALLEL,
      start: (job, start) => this.#start(job.name, start),
      onError: error => this.#log('scheduler', `it failed: ${messageOf(error)}`),
    })
  }

  /** Throws what is wrong with the configuration, and `already-running`. The caller closes what it gets. */
  static async open(options: ServeOptions): Promise<Server> {
    const app = await options.open()
    try {
      const stateFolder = await app.stateFolder()
      const server = new Server(app, stateFolder, lockInstance(stateFolder), options)
      await server.#configure(app.settings)
      return server
    } catch (error) {
      await app.close()
      throw error
    }
  }

  /** Names of what happens by itself. */
  get jobs(): readonly string[] {
    return [...this.#commands.keys()]
  }

  nextOf(job: string): Date | undefined {
    return this.#scheduler.nextOf(job)
  }

  /** Until the signal comes. */
  async run(): Promise<Served> {
    const { environment, signal } = this.#options
    await this.tick()
    notifySystemd(environment, '--ready')
    while (!signal.aborted) {
      const untilNext = Math.max(SHORTEST_TICK_MS, this.#scheduler.untilNextMs())
      await this.#pause(Math.min(TICK_MS, untilNext))
      if (!signal.aborted) await this.tick()
    }
    notifySystemd(environment, 'STOPPING=1')
    return { ended: this.#ended, done: this.#done }
  }

  /** Does what is due, and ends. */
  async runOnce(): Promise<Served> {
    const { signal } = this.#options
    do {
      await this.tick()
      const ends: Promise<unknown>[] = [...this.#running.values()].map(each => each.process.ended)
      if (ends.length > 0) await Promise.race([...ends, aborted(signal)])
      await new Promise(resolve => setImmediate(resolve))
    } while (this.#running.size > 0 && !signal.aborted)
    return { ended: this.#ended, done: this.#done }
  }

  /** Takes up a changed configuration; a wrong one is refused, and the one before stays. */
  async reload(): Promise<void> {
    try {
      const app = await this.#options.open()
      await app.close()
      if (app.stateDir !== this.#app.stateDir)
        throw new Error('"state" is another folder: stop and start "lifeboat serve"')
      await this.#configure(app.settings)
      this.#refused = null
      this.#log('serve', 'took up the configuration anew')
    } catch (error) {
      this.#refused = messageOf(error)
      this.#log('serve', `the configuration is refused, and the one before stays: ${this.#refused}`)
    }
    this.#woken.abort()
  }

  async tick(): Promise<void> {
    const { clock, environment } = this.#options
    for (const [job, running] of this.#running) this.#watch(job, running)
    await this.#scheduler.refreshPauses()
    await this.#scheduler.tick()
    if (clock.monotonicMs() - this.#rotatedAtMs > ROTATE_EVERY_MS) {
      this.#rotatedAtMs = clock.monotonicMs()
      await this.#logs.rotate()
    }
    await this.#beat()
    // Only a tick that did its work feeds the watchdog.
    notifySystemd(environment, 'WATCHDOG=1', `--status=${this.#running.size} running, ${this.jobs.length} scheduled`)
  }

  async close(): Promise<void> {
    await this.#scheduler.stop()
    await this.#logs.flush()
    await this.#beat(true).catch(() => undefined)
    await this.#app.close()
    this.#lock.release()
  }

  async #configure(settings: Settings): Promise<void> {
    const jobs = jobsOf(settings)
    this.#commands = new Map(jobs.map(job => [job.name, job]))
    await this.#scheduler.configure(jobs)
  }

  /** Ends sooner when something happens: a run ended, the configuration changed, the end has come. */
  async #pause(ms: number): Promise<void> {
    const { clock, signal } = this.#options
    this.#woken = new AbortController()
    await clock.sleep(ms, AbortSignal.any([signal, this.#woken.signal]))
  }

  #start(job: string, { slot, attempt, why }: JobStart): JobProcess {
    const { command, environment, clock } = this.#options
    const [program = '', ...args] = command
    const words = this.#commands.get(job)?.command ?? []
    const told = why === 'retry' ? `try ${attempt}` : why
    this.#log(job, `starts, ${told}, for ${slot.toISOString()}`)
    const started = new JobProcess({
      program,
      args: [...args, ...words, '--no-progress', '--lock-wait', LOCK_WAIT],
      cwd: this.#app.settings.baseDir,
      env: environment,
      clock,
      onEvent: event => {
        if (event.kind !== 'progress') this.#logs.write({ job, attempt, ...event }, started.run)
      },
      onLine: line => this.#logs.write({ job, attempt, line }, started.run),
    })
    this.#running.set(job, { process: started, startedAt: clock.now(), warned: false })
    void this.#recordEnd(job, attempt, started)
    return started
  }

  async #recordEnd(job: string, attempt: number, { ended }: JobProcess): Promise<void> {
    const { done, run } = await ended
    this.#running.delete(job)
    this.#ended++
    if (done) this.#done++
    this.#woken.abort()
    this.#log(job, done ? 'done' : `failed, try ${attempt}`, run)
  }

  #watch(job: string, running: Running): void {
    const standing = running.process.watch()
    if (standing > STALL_WARNING_MS && !running.warned) {
      this.#log(job, `no byte and no step for ${Math.round(standing / 60_000)} minutes`, running.process.run)
    }
    running.warned = standing > STALL_WARNING_MS
  }

  async #beat(ended = false): Promise<void> {
    await writeHeartbeat(this.#stateFolder, {
      owner: thisProcess(),
      startedAt: this.#startedAt,
      tickedAt: this.#options.clock.now(),
      running: [...this.#running].map(([job, { process, startedAt }]) => ({
        job,
        run: process.run ?? null,
        startedAt,
        standingMs: process.standingMs,
      })),
      ended,
      refused: this.#refused,
    })
  }

  #log(job: string, line: string, run?: string): void {
    this.#options.say(`${job}: ${line}`)
    this.#logs.write({ job, line }, run)
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}
