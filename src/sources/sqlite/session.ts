import { type ChildProcess, fork } from 'node:child_process'
import { AppError } from '../../base/errors.ts'
import { programFile } from '../../base/package.ts'
import { toolEnvironment } from '../../base/plain-environment.ts'
import type { CallName, Fault, SessionCalls, SessionReply } from './session-protocol.ts'

/** The first argument of a session's process; the second is the process that started it. */
export const SESSION_MARK = 'lifeboat-sqlite-session'

/** A call failed inside SQLite or the system. Adapter-internal: `faults.ts` turns it into words for people. */
export class SessionFault extends Error {
  override readonly name = 'SessionFault'
  readonly fault: Fault

  constructor(fault: Fault) {
    super(fault.message)
    this.fault = fault
  }
}

/**
 * SQLite in a process of its own. Three reasons: our plain descriptors of the same file can't cancel its locks; a count
 * or a check of gigabytes neither blocks us nor outlives Ctrl-C; and it runs beside the reading, on another core.
 * A killed session leaves nothing behind: it only reads, or writes to files that are ours.
 */
export class Session {
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>()
  readonly #exited: Promise<void>
  readonly #signal: AbortSignal
  readonly #abort = (): void => void this.close()
  #serial = 0
  #errors = ''
  #closed = false

  constructor(signal: AbortSignal) {
    this.#signal = signal
    // No flags of ours: a debugger's port or a test runner's loader is not for the session. The rows of a comparison are
    // garbage as soon as they are digested: V8 would let them grow to 300 MB before it looks.
    this.#process = fork(programFile('sources/sqlite/session-process'), [SESSION_MARK, String(process.pid)], {
      execArgv: ['--disable-warning=ExperimentalWarning', '--heap-growing-percent=30', '--max-semi-space-size=4'],
      env: toolEnvironment(),
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#process.on('message', message => this.#settle(message as SessionReply))
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-2000)
    })
    this.#exited = new Promise(resolve => {
      const ended = (): void => {
        this.#closed = true
        for (const { reject } of this.#waiting.values()) reject(this.#gone())
        this.#waiting.clear()
        resolve()
      }
      this.#process.once('error', error => {
        this.#errors += error.message
        ended()
      })
      this.#process.once('exit', ended)
    })
    signal.addEventListener('abort', this.#abort, { once: true })
    if (signal.aborted) this.#abort()
  }

  /** Throws `SessionFault` for what SQLite refuses, `interrupted` when the signal fires, `failed` when it crashed. */
  async call<Name extends CallName>(call: Name, ask: SessionCalls[Name]['ask']): Promise<SessionCalls[Name]['answer']> {
    if (this.#closed) throw this.#gone()
    const id = ++this.#serial
    return await new Promise<SessionCalls[Name]['answer']>((resolve, reject) => {
      this.#waiting.set(id, { resolve: answer => resolve(answer as SessionCalls[Name]['answer']), reject })
      this.#process.send({ id, call, ask }, error => {
        if (!error) return
        this.#waiting.delete(id)
        reject(this.#gone())
      })
    })
  }

  /** Safe to call twice, and while a call is under way (which then fails). */
  async close(): Promise<void> {
    this.#closed = true
    this.#signal.removeEventListener('abort', this.#abort)
    this.#process.kill('SIGKILL')
    await this.#exited
  }

  #settle(reply: SessionReply): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if ('fault' in reply) waiting?.reject(new SessionFault(reply.fault))
    else waiting?.resolve(reply.answer)
  }

  #gone(): AppError {
    if (this.#signal.aborted) return new AppError('interrupted', 'interrupted', { cause: this.#signal.reason })
    return new AppError('failed', 'the process that reads the database ended early', {
      context: { stderr: this.#errors.trim() },
      hint: 'Run it again. If it stays so, look at the free memory of this machine.',
    })
  }
}
