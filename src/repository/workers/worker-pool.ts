import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { AppError } from '../../base/errors.ts'
import type { KeyMaterial } from '../format/key-file.ts'
import type { Job, JobKind, JobReply, JobRequest, Outcome, Workers } from './protocol.ts'
import { ownedBuffers } from './transfer.ts'

interface Pending {
  readonly resolve: (outcome: unknown) => void
  readonly reject: (error: unknown) => void
}

interface Member {
  readonly worker: Worker
  readonly pending: Map<number, Pending>
}

/** Threads for decrypting, decompressing, hashing and writing. Started by the first job; idle ones keep no process alive. */
export class WorkerPool implements Workers {
  readonly size: number
  readonly #keys: KeyMaterial
  readonly #members: Member[] = []
  #calls = 0
  #closed = false

  constructor(keys: KeyMaterial, size: number = availableParallelism()) {
    this.#keys = keys
    this.size = Math.max(1, size)
  }

  run<K extends JobKind>(kind: K, job: Job<K>): Promise<Outcome<K>> {
    if (this.#closed) return Promise.reject(new AppError('interrupted', 'the repository was closed'))
    const member = this.#leastBusy()
    const request: JobRequest = { call: this.#calls++, kind, job }
    return new Promise<unknown>((resolve, reject) => {
      if (member.pending.size === 0) member.worker.ref()
      member.pending.set(request.call, { resolve, reject })
      member.worker.postMessage(request, ownedBuffers(job))
    }) as Promise<Outcome<K>>
  }

  /** Jobs under way fail with `interrupted`. */
  async close(): Promise<void> {
    this.#closed = true
    const members = this.#members.splice(0)
    for (const { pending } of members) rejectAll(pending, new AppError('interrupted', 'the repository was closed'))
    await Promise.all(members.map(({ worker }) => worker.terminate()))
  }

  #leastBusy(): Member {
    const idle = this.#members.find(({ pending }) => pending.size === 0)
    if (idle) return idle
    if (this.#members.length < this.size) return this.#start()
    return this.#members.reduce((best, member) => (member.pending.size < best.pending.size ? member : best))
  }

  #start(): Member {
    // Run from source by Node's type stripping, or compiled.
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js'
    const worker = new Worker(new URL(file, import.meta.url), { workerData: this.#keys })
    const member: Member = { worker, pending: new Map() }
    worker.on('message', (reply: JobReply) => settle(member, reply))
    worker.on('error', error => this.#drop(member, error))
    worker.on('exit', () => this.#drop(member, new Error('a worker thread ended')))
    worker.unref()
    this.#members.push(member)
    return member
  }

  #drop(member: Member, error: unknown): void {
    const at = this.#members.indexOf(member)
    if (at >= 0) this.#members.splice(at, 1)
    rejectAll(member.pending, error)
  }
}

function settle(member: Member, reply: JobReply): void {
  const pending = member.pending.get(reply.call)
  member.pending.delete(reply.call)
  if (member.pending.size === 0) member.worker.unref()
  if ('outcome' in reply) pending?.resolve(reply.outcome)
  else pending?.reject(reply.error)
}

function rejectAll(pending: Map<number, Pending>, error: unknown): void {
  for (const { reject } of pending.values()) reject(error)
  pending.clear()
}
