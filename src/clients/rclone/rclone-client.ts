import { type ClientHttp2Session, connect } from 'node:http2'
import { Child } from '../../base/child.ts'
import { systemClock } from '../../base/clock.ts'
import { throwIfAborted } from '../../base/errors.ts'
import { untilAborted } from '../../base/interruptible.ts'
import { toolEnvironment } from '../../base/plain-environment.ts'
import { type HttpAnswer, HttpFailure, type HttpRequest } from '../http/index.ts'
import { duplexOf } from './child-duplex.ts'
import { Exchange } from './exchange.ts'
import { failureOf, type RcloneFailure, shownLine } from './failure.ts'

export interface RcloneOptions {
  /** A program and its arguments; it has to speak HTTP/2 over its stdin and stdout. */
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** How long no byte may come or go while something is asked. */
  readonly stallMs?: number | undefined
}

/** rclone itself begins anew with its service after 5 minutes of silence. */
const STALL_MS = 6 * 60_000
const LAST_WORDS_MS = 2_000
const KEPT_LINES = 200
const LATE_LOOKS = 10
const LATE_LOOK_MS = 25
const WINDOW_BYTES = 4 * 1024 * 1024
/** Beside rclone's own: what the clouds' libraries in it read, and the ways out of here. No password of ours. */
const PASSED =
  /^(RCLONE_|AWS_|AZURE_|GOOGLE_|CLOUDSDK_|OS_|ST_)|^(SSH_AUTH_SOCK|https?_proxy|no_proxy|all_proxy|HTTPS?_PROXY|NO_PROXY|ALL_PROXY)$/

/**
 * `rclone serve restic --stdio`: HTTP/2 over the pipes of a program, so no port is open to others and none has to be free.
 * Started by the first request; one that ended is started again by the next. It ends when its stdin does, and so with us
 * however we end.
 */
export class RcloneClient {
  readonly #options: RcloneOptions
  #running: Promise<Running> | undefined

  constructor(options: RcloneOptions) {
    this.#options = options
  }

  /** Rejects with `HttpFailure`, `RcloneFailure`, `tool-missing`, `interrupted`, or what `onHead` threw. */
  async request(request: HttpRequest): Promise<HttpAnswer> {
    throwIfAborted(request.signal)
    const running = await untilAborted(this.#start(), request.signal)
    throwIfAborted(request.signal)
    return await running.request(request)
  }

  /** What it wrote about this object, as far as an error may show it; the newest line first. */
  async linesAbout(name: string): Promise<readonly string[]> {
    const running = await this.#running?.catch(() => undefined)
    return (await running?.linesAbout(name)) ?? []
  }

  async close(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    await (await running?.catch(() => undefined))?.stop()
  }

  #start(): Promise<Running> {
    if (this.#running !== undefined) return this.#running
    const running = Running.start(this.#options, () => {
      if (this.#running === running) this.#running = undefined
    })
    this.#running = running
    running.catch(() => {
      if (this.#running === running) this.#running = undefined
    })
    return running
  }
}

/** One process of rclone. */
class Running {
  readonly #child: Child
  readonly #session: ClientHttp2Session
  readonly #lines: string[]
  readonly #stallMs: number
  #hasAnswered = false

  private constructor(child: Child, lines: string[], stallMs: number, onEnd: () => void) {
    this.#child = child
    this.#lines = lines
    this.#stallMs = stallMs
    const duplex = duplexOf(child)
    // Told by the session, which each request hears of.
    duplex.on('error', () => {})
    this.#session = connect('http://rclone', {
      createConnection: () => duplex,
      settings: { enablePush: false, initialWindowSize: WINDOW_BYTES },
    })
    this.#session.once('connect', () => this.#session.setLocalWindowSize(4 * WINDOW_BYTES))
    this.#session.on('error', () => {})
    this.#session.once('close', () => {
      onEnd()
      void child.stop()
    })
    this.#session.once('goaway', onEnd)
    void this.#watch(onEnd)
  }

  static async start({ command, environment, stallMs = STALL_MS }: RcloneOptions, onEnd: () => void): Promise<Running> {
    const [program = '', ...args] = command
    const lines: string[] = []
    const passed = Object.entries(environment).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && PASSED.test(entry[0]),
    )
    const child = await Child.start(program, args, {
      env: { ...toolEnvironment(environment), ...Object.fromEntries(passed) },
      ownSession: true,
      stdin: 'pipe',
      onStderrLine: line => {
        lines.push(line)
        if (lines.length > KEPT_LINES) lines.shift()
      },
    })
    return new Running(child, lines, stallMs, onEnd)
  }

  async #watch(onEnd: () => void): Promise<void> {
    await this.#child.wait()
    onEnd()
    this.#session.destroy()
  }

  async request({ origin: _origin, repeatable: _repeatable, ...request }: HttpRequest): Promise<HttpAnswer> {
    if (this.#session.closed || this.#session.destroyed) throw await this.#failure()
    try {
      const exchange = new Exchange(this.#session, request, {
        stallMs: this.#stallMs,
        onStall: () => void this.stop(),
        onAnswer: () => {
          this.#hasAnswered = true
        },
      })
      return await exchange.answer
    } catch (error) {
      if (!(error instanceof HttpFailure) || error.kind !== 'cut') throw error
      // One request that broke off does not mean that rclone is gone.
      if (!this.#session.destroyed && !this.#child.ended)
        throw new HttpFailure('cut', 'rclone broke off its answer', error)
      throw await this.#failure()
    }
  }

  /** They come by another pipe than the answer that they explain, and so may be a moment late. */
  async linesAbout(name: string): Promise<readonly string[]> {
    for (let looks = 0; ; looks++) {
      const lines = this.#lines.filter(line => line.includes(name)).toReversed()
      if (lines.length > 0 || looks === LATE_LOOKS || this.#child.ended) return lines.map(shownLine)
      await systemClock.sleep(LATE_LOOK_MS)
    }
  }

  /** It ends with its stdin; it is not asked for what it has not finished. */
  async stop(): Promise<void> {
    this.#session.destroy()
    await this.#child.stop()
  }

  /** It is about to end, or has: why. */
  async #failure(): Promise<RcloneFailure> {
    const late = new AbortController()
    await Promise.race([this.#child.wait(), systemClock.sleep(LAST_WORDS_MS, late.signal)])
    late.abort()
    await this.#child.stop()
    return failureOf(this.#child.stderr, await this.#child.wait(), this.#hasAnswered)
  }
}
