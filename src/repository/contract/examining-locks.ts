import type { BucketLocks, Destruction, LockSettings } from '../../storage/storage.ts'

/** What was found out about who could destroy a repository. Facts; what they come to is for others to say. */
export interface LockExamination {
  /** Does its storage replace what is there? */
  readonly overwrites: boolean
  /** Undefined where its kind of storage knows no locks. */
  readonly locks: FoundLocks | undefined
}

export interface FoundLocks {
  readonly settings: LockSettings | undefined
  readonly bucket: BucketLocks
  /** What became of empty objects of ours that were tried to be destroyed with the present key. */
  readonly tries: ReadonlyArray<{ readonly folder: string; readonly isLocked: boolean; readonly came: Destruction }>
  /** Objects of the repository whose locks were read; undefined where objects can't be locked one by one. */
  readonly sample: LockSample | undefined
  /** See `Retention`. */
  readonly advice: readonly string[]
}

export interface LockSample {
  readonly read: number
  /** Of how many. */
  readonly total: number
  /** Keys of those that are not locked now. */
  readonly unlocked: readonly string[]
  /** When the first of the others' locks ends. */
  readonly firstEnd: Date | undefined
}
