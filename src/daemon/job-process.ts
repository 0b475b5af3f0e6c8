import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import { type Owner, processStart, thisProcess } from '../base/process-life.ts'
import type { JobEnd, RunningJob } from '../scheduler/scheduler.ts'

/** Without a byte and without a step for so long, a run is said to stand still; three times that, and it is ended. */
export const STALL_WARNING_MS = 10 * 60_000
const STALL_END_MS = 3 * STALL_WARNING_MS
/** For the call in flight, once it was asked to end. Docker kills after ten. */
const GRACE_MS = 5_000
/** It did what it was for: all of it, or all but what it named. */
const DONE_CODES: ReadonlySet<number> = new Set([0, 3])

export interface JobCommand {
  readonly program: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly onEvent: (event: JobEvent) => void
  /** A line of its stderr. */
  readonly onLine: (line: string) => void
}

/** What a run says of itself, as `eventsToParent` writes it. */
export interface JobEvent {
  readonly kind: string
  readonly run?: string
}

/** A command of ours in a process group of its own, and whether it moves. */
export class JobProcess implements RunningJob {
  readonly owner: Owner | undefined
  readonly ended: Promise<JobEnd>
  readonly #child: ChildProcess
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #onLine: (line: string) => void
  #run: string | undefined
  #movedAtMs: number
  #lastProgress = ''
  #ending = false

  constructor({ program, args, cwd, env, clock, onEvent, onLine }: JobCommand) {
    this.#clock = clock
    this.#onLine = onLine
    this.#movedAtMs = clock.monotonicMs()
    this.#child = spawn(program, args, {
      cwd,
      env: { ...env, LIFEBOAT_EVENTS_FD: '3' },
      // A group of its own: a Ctrl-C at our terminal is ours to hand on, and all of it can be killed at once.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    })
    this.owner = this.#ownerOf(this.#child.pid)
    readLines(this.#child.stderr, onLine)
    readLines(this.#child.stdio[3] as Readable, line => this.#hear(line, onEvent))
    this.ended = new Promise(resolve => {
      this.#child.once('error', error => {
        onLine(`cannot start: ${messageOf(error)}`)
        resolve({ done: false })
      })
      this.#child.once('exit', code => {
        // What it started and did not end.
        this.#kill('SIGKILL')
        resolve({ done: code !== null && DONE_CODES.has(code), run: this.#run })
      })
    })
  }

  get run(): string | undefined {
    return this.#run
  }

  /** Since anything moved. */
  get standingMs(): number {
    return Math.round(this.#clock.monotonicMs() - this.#movedAtMs)
  }

  /** Gives how long it stands still, in milliseconds; ends it where that is too long. */
  watch(): number {
    const standing = this.standingMs
    if (standing > STALL_END_MS && !this.#ending) {
      this.#onLine(`no byte and no step for ${Math.round(standing / 60_000)} minutes: it is ended`)
      this.stop()
    }
    return standing
  }

  stop(): void {
    if (this.#ending) return
    this.#ending = true
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#kill('SIGKILL'), GRACE_MS)
    void this.ended.then(() => clearTimeout(timer))
  }

  #ownerOf(pid: number | undefined): Owner | undefined {
    return pid === undefined ? undefined : { hostname: thisProcess().hostname, pid, start: processStart(pid) }
  }

  #kill(signal: NodeJS.Signals): void {
    const { pid } = this.#child
    if (pid === undefined) return
    try {
      process.kill(-pid, signal)
    } catch {
      // Nobody is left in it.
    }
  }

  #hear(line: string, onEvent: (event: JobEvent) => void): void {
    const event = parse(line)
    if (event === undefined) return
    if (event.kind === 'begun') this.#run ??= event.run
    // The same figures again are no progress.
    if (event.kind !== 'progress' || line !== this.#lastProgress) this.#movedAtMs = this.#clock.monotonicMs()
    if (event.kind === 'progress') this.#lastProgress = line
    onEvent(event)
  }
}

function readLines(stream: Readable | null, onLine: (line: string) => void): void {
  if (stream === null) return
  stream.on('error', () => undefined)
  createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', onLine)
}

function parse(line: string): JobEvent | undefined {
  try {
    const event: unknown = JSON.parse(line)
    return typeof event === 'object' && event !== null && 'kind' in event ? (event as JobEvent) : undefined
  } catch {
    return undefined
  }
}
