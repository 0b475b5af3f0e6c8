import { threadId, Worker } from 'node:worker_threads'
import { AppError, messageOf } from '../../base/errors.ts'
import { programFile } from '../../base/package.ts'
import type { JobName, Jobs, WorkerState } from './jobs.ts'
import { runJob } from './jobs.ts'
import { type Reply, type Request, unpackError, type WorkerStart } from './messages.ts'

/** Somewhere jobs are done in the order in which they were given. */
export interface Lane {
  /** Jobs given and not answered yet. */
  readonly pending: number
  readonly thread: number
  run<N extends JobName>(
    name: N,
    job: Jobs[N]['job'],
    transfer: readonly ArrayBufferLike[],
  ): Promise<Jobs[N]['outcome']>
  close(): Promise<void>
}

/** This thread: for work that is done before a worker thread would have started. */
export class InlineLane implements Lane {
  readonly pending = 0
  readonly thread = threadId
  readonly #state: WorkerState

  constructor(state: WorkerState) {
    this.#state = state
  }

  async run<N extends JobName>(name: N, job: Jobs[N]['job']): Promise<Jobs[N]['outcome']> {
    return runJob(name, job, this.#state).outcome
  }

  async close(): Promise<void> {}
}

interface Waiting {
  readonly resolve: (outcome: never) => void
  readonly reject: (error: Error) => void
}

export class ThreadLane implements Lane {
  readonly #thread: Worker
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 0
  #ended: Error | undefined

  constructor(start: WorkerStart) {
    this.#thread = new Worker(programFile('repository/workers/worker'), {
      workerData: start,
      name: 'lifeboat',
      // Every blob leaves short-lived buffers behind; a small nursery gives them back before they are many.
      resourceLimits: { maxYoungGenerationSizeMb: 8 },
    })
    this.#thread.on('message', (reply: Reply) => this.#settle(reply))
    this.#thread.on('error', error => this.#end(error))
    this.#thread.on('exit', code => this.#end(new Error(`exit code ${code}`)))
    // After that: whoever listens keeps the process alive, also for a thread that is never given anything.
    this.#thread.unref()
  }

  get thread(): number {
    return this.#thread.threadId
  }

  get pending(): number {
    return this.#waiting.size
  }

  run<N extends JobName>(
    name: N,
    job: Jobs[N]['job'],
    transfer: readonly ArrayBufferLike[],
  ): Promise<Jobs[N]['outcome']> {
    if (this.#ended) return Promise.reject(this.#ended)
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      // While an answer is awaited the thread keeps the process alive, at other times it does not.
      if (this.#waiting.size === 0) this.#thread.ref()
      this.#waiting.set(id, { resolve, reject })
      this.#thread.postMessage({ id, name, job } satisfies Request, transfer as ArrayBuffer[])
    })
  }

  async close(): Promise<void> {
    this.#ended ??= new AppError('failed', 'the repository was closed')
    await this.#thread.terminate()
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if (this.#waiting.size === 0) this.#thread.unref()
    if ('error' in reply) waiting?.reject(unpackError(reply.error))
    else waiting?.resolve(reply.outcome as never)
  }

  #end(cause: unknown): void {
    this.#ended ??= new AppError('failed', `a worker thread ended unexpectedly: ${messageOf(cause)}`, {
      hint: 'Run the command again. If memory is short, set fewer worker threads.',
      cause,
    })
    for (const { reject } of this.#waiting.values()) reject(this.#ended)
    this.#waiting.clear()
  }
}
