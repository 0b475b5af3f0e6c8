import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { decodeName } from './bytes.ts'
import { AppError, messageOf, systemCode, throwIfAborted } from './errors.ts'

export interface ChildOptions {
  /** The whole environment of the child; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string | undefined
  /** Run as this user; needs root. */
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** In a session of its own: Ctrl-C does not reach it, and it has no terminal to ask anything on. */
  readonly ownSession?: boolean | undefined
  /** `pipe`: the caller writes with `write` and ends with `endInput`. Otherwise the child reads nothing. */
  readonly stdin?: 'pipe' | 'ignore' | undefined
  /** Kills the child. `read` and `wait` then throw `interrupted`. */
  readonly signal?: AbortSignal | undefined
  /** Called with each whole line of stderr as it comes. */
  readonly onStderrLine?: ((line: string) => void) | undefined
}

export interface ChildExit {
  /** Undefined after a signal. */
  readonly code: number | undefined
  readonly killedBy: string | undefined
}

/** Only the end of a long stderr is kept. */
const STDERR_LIMIT_CHARS = 64 * 1024
/** A child that does not end after SIGTERM is killed. */
const PATIENCE_MS = 5_000
const LAST_WORDS_MS = 500

/**
 * A program that runs beside us, started without a shell. Its stdout is pulled, so a slow reader holds it back; its
 * stderr is kept apart. Who starts it calls `stop` (safe at any time, also twice), and looks at `wait` before it
 * believes what was read: the end of stdout alone does not say that all is well.
 */
export class Child {
  readonly name: string
  readonly #process: ChildProcess
  readonly #signal: AbortSignal | undefined
  readonly #exit: Promise<ChildExit>
  readonly #reader: StreamReader | undefined
  readonly #onAbort = (): void => void this.#process.kill('SIGKILL')
  #stderr = ''
  #ended = false
  #inputFailure: unknown

  private constructor(name: string, process: ChildProcess, options: ChildOptions) {
    this.name = name
    this.#process = process
    this.#signal = options.signal
    this.#reader = process.stdout ? new StreamReader(process.stdout) : undefined
    this.#watchStderr(options.onStderrLine)
    process.stdin?.on('error', error => {
      this.#inputFailure = error
    })
    this.#exit = new Promise(resolve => {
      process.once('exit', (code, killedBy) => {
        this.#ended = true
        options.signal?.removeEventListener('abort', this.#onAbort)
        // The last words may still be in the pipe; a grandchild (a server started by pg_ctl) may hold it open for ever.
        const done = (): void => {
          clearTimeout(timer)
          resolve({ code: code ?? undefined, killedBy: killedBy ?? undefined })
        }
        const timer = setTimeout(done, LAST_WORDS_MS)
        if (process.stderr === null || process.stderr.readableEnded) done()
        else process.stderr.once('close', done)
      })
    })
    options.signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Starts a program. Throws `tool-missing` when it is not there, `tool-failed` when it can't be started. */
  static async start(command: string, args: readonly string[], options: ChildOptions): Promise<Child> {
    throwIfAborted(options.signal)
    const child = spawn(command, args, {
      stdio: [options.stdin ?? 'ignore', 'pipe', 'pipe'],
      env: { ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
      detached: options.ownSession ?? false,
    })
    const name = command.slice(command.lastIndexOf('/') + 1)
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', error => reject(startError(name, error)))
    })
    child.on('error', () => {})
    return new Child(name, child, options)
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  get ended(): boolean {
    return this.#ended
  }

  /** The end of what it wrote to stderr. */
  get stderr(): string {
    return this.#stderr
  }

  /** Fills `into` with stdout as far as there is any; less than asked only at its end. */
  async read(into: Uint8Array): Promise<number> {
    const count = (await this.#reader?.read(into)) ?? 0
    throwIfAborted(this.#signal)
    return count
  }

  /** All of stdout. For short answers. */
  async readText(): Promise<string> {
    const text = (await this.#reader?.readText()) ?? ''
    throwIfAborted(this.#signal)
    return text
  }

  /** Stdout line by line, without the line ends. */
  async *lines(): AsyncGenerator<Buffer> {
    if (this.#reader) yield* this.#reader.lines()
    throwIfAborted(this.#signal)
  }

  /** Stdout in the parts that it comes in. */
  async *parts(): AsyncGenerator<Buffer> {
    if (this.#reader) yield* this.#reader.parts()
    throwIfAborted(this.#signal)
  }

  /**
   * Writes to stdin without waiting: who calls this bounds what is under way, and leaves the bytes as they are until the
   * child answered or was stopped. False when it takes no more: its exit says why.
   */
  send(parts: readonly Uint8Array[]): boolean {
    const input = this.#process.stdin
    if (!input || this.#inputFailure !== undefined || this.#ended) return false
    input.cork()
    for (const part of parts) input.write(part)
    input.uncork()
    return true
  }

  /** Writes to stdin, waiting while the child is busy. False when it takes no more: its exit says why. */
  async write(bytes: Uint8Array): Promise<boolean> {
    const input = this.#process.stdin
    if (!input || this.#inputFailure !== undefined || this.#ended) return false
    if (input.write(bytes)) return true
    await new Promise<void>(resolve => {
      const done = (): void => {
        input.off('drain', done).off('close', done).off('error', done)
        this.#process.off('exit', done)
        resolve()
      }
      input.once('drain', done).once('close', done).once('error', done)
      this.#process.once('exit', done)
    })
    return this.#inputFailure === undefined && !this.#ended
  }

  endInput(): void {
    this.#process.stdin?.end()
  }

  kill(signal: 'SIGTERM' | 'SIGINT' | 'SIGQUIT' | 'SIGHUP' | 'SIGKILL'): void {
    if (!this.#ended) this.#process.kill(signal)
  }

  /** Resolves when the program has ended, however it did. Throws `interrupted` when the signal fired. */
  async wait(): Promise<ChildExit> {
    const exit = await this.#exit
    throwIfAborted(this.#signal)
    return exit
  }

  /** Ends it: asks, and kills it when it does not listen. Never throws. */
  async stop(): Promise<void> {
    if (this.#ended) return
    this.#process.stdout?.destroy()
    this.#process.stdin?.destroy()
    this.#process.kill('SIGTERM')
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), PATIENCE_MS)
    await this.#exit
    clearTimeout(timer)
  }

  #watchStderr(onLine: ((line: string) => void) | undefined): void {
    let rest = ''
    this.#process.stderr?.setEncoding('utf8').on('data', (part: string) => {
      this.#stderr = (this.#stderr + part).slice(-STDERR_LIMIT_CHARS)
      if (!onLine) return
      const lines = (rest + part).split('\n')
      rest = (lines.pop() ?? '').slice(-STDERR_LIMIT_CHARS)
      for (const line of lines) onLine(line)
    })
  }
}

/** Reads a stream by pulling: what is not asked for stays in the pipe. */
export class StreamReader {
  readonly #parts: AsyncIterator<Buffer>
  #rest: Buffer | undefined

  constructor(stream: Readable | AsyncIterable<Buffer>) {
    this.#parts = (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
  }

  async read(into: Uint8Array): Promise<number> {
    let filled = 0
    while (filled < into.length) {
      const part = this.#rest ?? (await this.#next())
      if (part === undefined) break
      const count = Math.min(part.length, into.length - filled)
      into.set(part.subarray(0, count), filled)
      filled += count
      this.#rest = count < part.length ? part.subarray(count) : undefined
    }
    return filled
  }

  async *parts(): AsyncGenerator<Buffer> {
    for (let part = await this.#next(); part !== undefined; part = await this.#next()) yield part
  }

  async readText(): Promise<string> {
    const parts: Buffer[] = []
    for (let part = await this.#next(); part !== undefined; part = await this.#next()) parts.push(part)
    return decodeName(Buffer.concat(parts))
  }

  async *lines(): AsyncGenerator<Buffer> {
    let rest: Buffer[] = []
    for (let part = await this.#next(); part !== undefined; part = await this.#next()) {
      let from = 0
      for (let end = part.indexOf(10); end >= 0; end = part.indexOf(10, from)) {
        const line = part.subarray(from, end)
        yield rest.length === 0 ? line : Buffer.concat([...rest, line])
        rest = []
        from = end + 1
      }
      if (from < part.length) rest.push(part.subarray(from))
    }
    if (rest.length > 0) yield Buffer.concat(rest)
  }

  async #next(): Promise<Buffer | undefined> {
    const part = this.#rest
    this.#rest = undefined
    if (part !== undefined) return part
    try {
      const next = await this.#parts.next()
      return next.done === true ? undefined : next.value
    } catch (error) {
      // A pipe closed under us (the child was stopped) is an end; the exit code says the rest.
      if (systemCode(error) === 'ERR_STREAM_PREMATURE_CLOSE') return undefined
      throw error
    }
  }
}

function startError(name: string, error: Error): AppError {
  if (systemCode(error) === 'ENOENT') {
    return new AppError('tool-missing', `${name} is not installed`, {
      hint: `Install ${name}, then run "lifeboat doctor" to see all tools.`,
      cause: error,
    })
  }
  return new AppError('tool-failed', `cannot start ${name}: ${messageOf(error)}`, { cause: error })
}
