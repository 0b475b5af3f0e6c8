import { isMarkedAsUntransferable } from 'node:worker_threads'
import { runVerifyJob, type VerifyJob, type VerifyOutcome } from '../check/verify-job.ts'
import type { LogContent } from '../contract/logs.ts'
import type { Cipher } from '../crypto/cipher.ts'
import type { Zstd } from '../crypto/zstd.ts'
import type { KeyMaterial } from '../format/key-file.ts'
import { type OpenedLog, type OpenLogJob, openLog, sealLog } from '../logs/log-object.ts'
import type { SealedBlobs } from '../pack/blob-sealer.ts'
import { type RepackJob, type RepackOutcome, runRepackJob } from '../pack/repack-job.ts'
import { makeParity } from '../parity/parity-file.ts'
import { type OpenJob, type OpenOutcome, runOpenJob } from '../read/open-job.ts'
import { runSiftJob, type SiftJob, type SiftOutcome } from '../read/sift-job.ts'
import { type CompareJob, runCompareJob } from '../restore/compare-job.ts'
import { runWriteJob, type WriteJob, type WriteOutcome } from '../restore/write-job.ts'
import { type CutJob, type CutOutcome, type Cuts, runCutJob } from '../write/cut-job.ts'
import { type IndexJob, type IndexOutcome, runIndexJob } from '../write/index-job.ts'
import { type ReadJob, runReadJob } from '../write/read-job.ts'
import { Slots } from '../write/slots.ts'
import { type StoreJob, type StoreOutcome, type StoreSlotJob, sealBlobs } from '../write/store-job.ts'

/** What a worker may be asked to do: each job's message and its answer. */
export interface Jobs {
  cut: { job: CutJob; outcome: CutOutcome }
  read: { job: ReadJob; outcome: Cuts }
  store: { job: StoreJob; outcome: StoreOutcome }
  storeSlot: { job: StoreSlotJob; outcome: SealedBlobs }
  repack: { job: RepackJob; outcome: RepackOutcome }
  /** Gives up what a writing has here: packs begun, and slots. */
  drop: { job: { readonly writing: number }; outcome: undefined }
  index: { job: IndexJob; outcome: IndexOutcome }
  open: { job: OpenJob; outcome: OpenOutcome }
  write: { job: WriteJob; outcome: WriteOutcome }
  compare: { job: CompareJob; outcome: Uint8Array }
  verify: { job: VerifyJob; outcome: VerifyOutcome }
  sift: { job: SiftJob; outcome: SiftOutcome }
  sealLog: { job: LogContent; outcome: readonly Uint8Array[] }
  openLog: { job: OpenLogJob; outcome: OpenedLog }
  parity: { job: ParityJob; outcome: readonly Uint8Array[] }
}

export interface ParityJob {
  readonly file: Uint8Array
  readonly part: number
}

export type JobName = keyof Jobs

/** What a worker keeps between jobs. */
export interface WorkerState {
  readonly keys: KeyMaterial
  readonly version: 1 | 2
  readonly cipher: Cipher
  readonly zstd: Zstd
  readonly slots: Slots
}

export function createWorkerState(keys: KeyMaterial, version: 1 | 2, cipher: Cipher, zstd: Zstd): WorkerState {
  return { keys, version, cipher, zstd, slots: new Slots() }
}

/** An answer, and the memory in it that may be handed over instead of being copied. */
export interface Answer<Outcome> {
  readonly outcome: Outcome
  readonly transfer: readonly ArrayBufferLike[]
}

type Handlers = { readonly [N in JobName]: (job: Jobs[N]['job'], state: WorkerState) => Answer<Jobs[N]['outcome']> }

const handlers: Handlers = {
  cut: (job, { keys }) => {
    const outcome = runCutJob(job, keys)
    return answer(outcome, outcome.slab, ...viewsOf(outcome))
  },
  read: (job, { keys, slots }) => {
    const outcome = runReadJob(job, slots, keys)
    return answer(outcome, ...viewsOf(outcome))
  },
  store: (job, tools) => {
    const sealed = sealBlobs(job, tools)
    return answer({ slab: job.slab, sealed }, job.slab, sealed.bytes, sealed.entries)
  },
  storeSlot: (job, { slots, ...tools }) => {
    const sealed = sealBlobs({ ...job, type: 'data', slab: slots.open(job.slot) }, tools)
    return answer(sealed, sealed.bytes, sealed.entries)
  },
  repack: (job, tools) => {
    const outcome = runRepackJob(job, tools)
    return answer(outcome, outcome.bytes, outcome.sealed.bytes, outcome.sealed.entries)
  },
  drop: ({ writing }, { slots }) => {
    slots.drop(writing)
    return answer(undefined)
  },
  index: (job, { version, cipher, zstd }) => {
    const outcome = runIndexJob(job, version, cipher, zstd)
    return answer(outcome, outcome.sealed)
  },
  open: (job, { cipher, zstd }) => {
    const outcome = runOpenJob(job, cipher, zstd)
    return answer(outcome, outcome.plaintext, outcome.lengths)
  },
  write: (job, { cipher, zstd }) => {
    const outcome = runWriteJob(job, cipher, zstd)
    return answer(outcome, outcome.bytes)
  },
  compare: job => {
    const outcome = runCompareJob(job)
    return answer(outcome, outcome)
  },
  verify: (job, { cipher, zstd }) => {
    const outcome = runVerifyJob(job, cipher, zstd)
    return answer(outcome, outcome.bytes)
  },
  sift: (job, { cipher, zstd }) => {
    const outcome = runSiftJob(job, cipher, zstd)
    return answer(outcome, outcome.bytes)
  },
  sealLog: (job, { cipher, zstd }) => {
    const sealed = sealLog(job, cipher, zstd)
    return answer(sealed, ...sealed)
  },
  openLog: (job, { cipher, zstd }) => {
    const outcome = openLog(job, cipher, zstd)
    return answer(outcome, outcome.bytes)
  },
  parity: ({ file, part }) => {
    const [header = file, table = file, parity = file] = makeParity(file, part)
    // The same twice: what is handed over twice arrives once.
    return answer([header, table, parity, table, header], parity)
  },
}

export function runJob<N extends JobName>(
  name: N,
  job: Jobs[N]['job'],
  state: WorkerState,
): Answer<Jobs[N]['outcome']> {
  return handlers[name](job, state)
}

function viewsOf({ ends, digests, marks, same }: Cuts): ArrayBufferView[] {
  return [ends, digests, ...(marks ? [marks] : []), ...(same ? [same] : [])]
}

function answer<Outcome>(outcome: Outcome, ...views: readonly ArrayBufferView[]): Answer<Outcome> {
  return { outcome, transfer: transferable(views) }
}

/** The views' buffers, but for the one that small Buffers share and for those that threads share. */
export function transferable(views: readonly ArrayBufferView[]): ArrayBufferLike[] {
  const buffers = new Set(views.map(view => view.buffer))
  return [...buffers].filter(buffer => buffer instanceof ArrayBuffer && !isMarkedAsUntransferable(buffer))
}
