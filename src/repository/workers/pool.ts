import { availableParallelism } from 'node:os'
import type { LogContent } from '../contract/logs.ts'
import { Cipher } from '../crypto/cipher.ts'
import { openZstd } from '../crypto/zstd.ts'
import type { KeyMaterial } from '../format/key-file.ts'
import type { OpenedLog, OpenLogJob } from '../logs/log-object.ts'
import { createWorkerState, type JobName, type Jobs, transferable } from './jobs.ts'
import { InlineLane, type Lane, ThreadLane } from './lane.ts'

export interface WorkerPoolOptions {
  readonly keys: KeyMaterial
  readonly version: 1 | 2
  /** Threads; default one a core. */
  readonly size: number | undefined
}

/** What is done in this thread before threads are started: starting them takes as long as working through so much. */
const INLINE_BYTES = 4 * 1024 * 1024

/** The heavy work of one opened repository. Threads start when there is enough to do for them. */
export class WorkerPool {
  readonly size: number
  readonly #options: WorkerPoolOptions
  readonly #lanes: Lane[] = []
  readonly #threads: ThreadLane[] = []
  #inline: InlineLane | undefined
  #inlineBytes = 0

  constructor(options: WorkerPoolOptions) {
    this.#options = options
    this.size = Math.max(1, options.size ?? availableParallelism())
  }

  /** Lanes that have been used, for what has to be told to each. */
  get lanes(): readonly Lane[] {
    return this.#lanes
  }

  /** Does a job where the least is waiting. `views`: memory handed over to it, not to be touched afterwards. */
  run<N extends JobName>(
    name: N,
    job: Jobs[N]['job'],
    ...views: readonly ArrayBufferView[]
  ): Promise<Jobs[N]['outcome']> {
    const bytes = views.reduce((sum, view) => sum + view.byteLength, 0)
    return this.#choose(bytes).run(name, job, transferable(views))
  }

  index(job: Jobs['index']['job']): Promise<Jobs['index']['outcome']> {
    return this.run('index', job)
  }

  open(job: Jobs['open']['job']): Promise<Jobs['open']['outcome']> {
    return this.run('open', job, job.bytes)
  }

  write(job: Jobs['write']['job']): Promise<Jobs['write']['outcome']> {
    return this.run('write', job, job.bytes)
  }

  compare(job: Jobs['compare']['job']): Promise<Jobs['compare']['outcome']> {
    this.#inlineBytes += job.lengths.reduce((sum, length) => sum + length, 0)
    return this.run('compare', job)
  }

  verify(job: Jobs['verify']['job']): Promise<Jobs['verify']['outcome']> {
    return this.run('verify', job, job.bytes)
  }

  sift(job: Jobs['sift']['job']): Promise<Jobs['sift']['outcome']> {
    return this.run('sift', job, job.bytes)
  }

  /** Memory that threads share is not copied on the way. */
  sealLog(content: LogContent): Promise<readonly Uint8Array[]> {
    return this.#chooseForLog(content.bytes.length).run('sealLog', content, [])
  }

  /** `sealed` is handed over. */
  openLog(job: OpenLogJob): Promise<OpenedLog> {
    return this.#chooseForLog(job.sealed.length).run('openLog', job, transferable([job.sealed]))
  }

  /** `slab` and `into` are handed over. */
  store(job: Jobs['store']['job']): Promise<Jobs['store']['outcome']> {
    return this.#choose(job.slab.length).run('store', job, transferable([job.slab, job.into]))
  }

  /** `bytes` and `into` are handed over. */
  repack(job: Jobs['repack']['job']): Promise<Jobs['repack']['outcome']> {
    return this.#choose(job.bytes.length).run('repack', job, transferable([job.bytes, job.into]))
  }

  /** The file is copied: whoever gives it uses its memory again. */
  makeParity(file: readonly Uint8Array[], part: number): Promise<readonly Uint8Array[]> {
    const length = file.reduce((sum, { byteLength }) => sum + byteLength, 0)
    const copy = Buffer.allocUnsafeSlow(length)
    let at = 0
    for (const piece of file) {
      copy.set(piece, at)
      at += piece.length
    }
    return this.run('parity', { file: copy, part }, copy)
  }

  /** Starts the threads now, when it is known that there will be much to do: they are ready when the first job is. */
  warmUp(): void {
    this.#inlineBytes = INLINE_BYTES
    if (this.#threads.length === 0) this.#startThreads()
  }

  /** Is there so much to do that threads do it, counting these bytes? */
  usesThreads(bytes: number): boolean {
    return this.#inlineBytes + bytes > INLINE_BYTES
  }

  leastBusyThread(): Lane {
    if (this.#threads.length === 0) this.#startThreads()
    return this.#threads.reduce((best, thread) => (thread.pending < best.pending ? thread : best))
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(thread => thread.close()))
  }

  /** The first log file is done here: alone it takes less time than a thread takes to start. */
  #chooseForLog(bytes: number): Lane {
    if (this.#inlineBytes > 0) return this.leastBusyThread()
    this.#inlineBytes += Math.max(1, bytes)
    return this.#inlineLane()
  }

  #choose(bytes: number): Lane {
    if (this.usesThreads(bytes)) return this.leastBusyThread()
    this.#inlineBytes += bytes
    return this.#inlineLane()
  }

  #startThreads(): void {
    const { keys, version } = this.#options
    for (let i = 0; i < this.size; i++) this.#threads.push(new ThreadLane({ keys, version }))
    this.#lanes.push(...this.#threads)
  }

  #inlineLane(): InlineLane {
    if (this.#inline) return this.#inline
    const { keys, version } = this.#options
    this.#inline = new InlineLane(createWorkerState(keys, version, new Cipher(keys), openZstd()))
    this.#lanes.push(this.#inline)
    return this.#inline
  }
}
