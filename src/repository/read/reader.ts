import type { Storage } from '../../storage/storage.ts'
import type { KeptPacks } from '../cache/kept-packs.ts'
import type { NotedDamage } from '../check/noted-damage.ts'
import type { VerifyJob, VerifyOutcome } from '../check/verify-job.ts'
import type { RepositoryContext } from '../files/repository-files.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { MarkFolder } from '../marks/mark-folder.ts'
import type { CompareJob } from '../restore/compare-job.ts'
import type { WriteJob, WriteOutcome } from '../restore/write-job.ts'
import type { NoRange } from './load-range.ts'
import type { OpenJob, OpenOutcome } from './open-job.ts'
import type { Packed } from './ranges.ts'
import type { SiftJob, SiftOutcome } from './sift-job.ts'

/** What reading needs of an opened repository. */
export interface Reader extends Pick<RepositoryContext, 'storage' | 'cipher' | 'zstd'> {
  readonly index: Pick<BlobIndex, 'find' | 'findAll'>
  readonly workers: ReadingWorkers
  /** Gets what is found to be bad on the way. */
  readonly noted?: NotedDamage | undefined
  /** Packs of trees on this machine; undefined where the storage is near, and for who wants to know what it has. */
  readonly keptPacks?: Pick<KeptPacks, 'load' | 'forget'> | undefined
  /** Undefined where nothing is kept on this machine. */
  readonly marks?: Pick<MarkFolder, 'load'> | undefined
  /** The same storage as it would be if damaged packs were healed by their parity; asked before others are. */
  readonly healed?: Storage | undefined
  /** Asked for what this one cannot give back. */
  readonly others?: Others | undefined
}

/** Another repository that may have what one cannot give back: an id is the hash of the plaintext, whatever the keys are. */
export interface OtherReader {
  readonly reader: Reader
  readonly onTaken: (blobs: number, plainBytes: number) => void
}

/** Repositories to ask for what one cannot give back. */
export interface Others {
  /** Those that can be opened, in the order in which they are to be asked. */
  usable(): AsyncIterable<OtherReader>
  /** The bytes, or why they cannot be had: a storage that fails is one that does not have it. */
  loadRange(reader: Reader, range: Packed, signal: AbortSignal | undefined, into?: Buffer): Promise<Buffer | NoRange>
}

/** Jobs for worker threads. A job's `bytes` are handed over: the caller must not use them any more. */
export interface ReadingWorkers {
  readonly size: number
  /** Starts the threads before the first job. */
  warmUp(): void
  open(job: OpenJob): Promise<OpenOutcome>
  write(job: WriteJob): Promise<WriteOutcome>
  compare(job: CompareJob): Promise<Uint8Array>
  verify(job: VerifyJob): Promise<VerifyOutcome>
  sift(job: SiftJob): Promise<SiftOutcome>
}

/** The same, of what parity gives back; undefined: there is no such thing. */
export function healedReader(reader: Reader): Reader | undefined {
  const { healed } = reader
  return healed && { ...reader, storage: healed, healed: undefined, noted: undefined, others: undefined }
}
