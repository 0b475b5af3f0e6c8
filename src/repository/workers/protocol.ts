import { runVerifyJob } from '../check/verify-job.ts'
import type { Cipher } from '../crypto/cipher.ts'
import type { Zstd } from '../crypto/zstd.ts'
import { runSiftJob } from '../prune/sift-job.ts'
import { runOpenJob } from '../read/open-job.ts'
import { runCompareJob } from '../restore/compare-job.ts'
import { runWriteJob } from '../restore/write-job.ts'

/** Every kind of job that the reading side gives to worker threads. */
export const JOBS = {
  open: runOpenJob,
  write: runWriteJob,
  compare: runCompareJob,
  verify: runVerifyJob,
  sift: runSiftJob,
} as const satisfies Record<string, (job: never, cipher: Cipher, zstd: Zstd) => unknown>

export type JobKind = keyof typeof JOBS
export type Job<K extends JobKind> = Parameters<(typeof JOBS)[K]>[0]
export type Outcome<K extends JobKind> = ReturnType<(typeof JOBS)[K]>

/** Runs jobs beside the main thread. Large byte fields of a job are handed over: its giver must not use them any more. */
export interface Workers {
  readonly size: number
  run<K extends JobKind>(kind: K, job: Job<K>): Promise<Outcome<K>>
}

export interface JobRequest {
  readonly call: number
  readonly kind: JobKind
  readonly job: unknown
}

export type JobReply =
  | { readonly call: number; readonly outcome: unknown }
  | { readonly call: number; readonly error: unknown }
