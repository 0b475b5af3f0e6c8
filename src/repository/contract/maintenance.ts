import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { Pin } from '../../model/pin.ts'
import type { LockWaitOptions } from './keys-and-locks.ts'
import type { Snapshot } from './snapshot.ts'

/** The ids of those to delete. What it throws, deletes nothing. */
export type ChooseSnapshots = (snapshots: readonly Snapshot[], pins: readonly Pin[]) => readonly Id[]

export interface RemoveOptions extends LockWaitOptions {
  /**
   * For a storage that is full: go on where no lock file can be written. Whoever asks for it has made sure that nobody
   * else uses the repository.
   */
  readonly withoutLock?: boolean | undefined
}
/**
 * What of the packs to read and verify byte by byte. A number is a part of all bytes, 0 to 1: 0 checks structure only. A part
 * and a size take what this machine has not read for longest; a subset is restic's: packs by the first byte of their id.
 */
export type ReadData = number | { readonly bytes: number } | { readonly subset: number; readonly of: number }

export interface CheckOptions {
  readonly readData: ReadData
  readonly signal: AbortSignal
  readonly onProgress?: ((progress: StepProgress) => void) | undefined
}

export interface CheckReport {
  /** Errors name the damaged file and, in `affects`, the snapshots that need it. */
  readonly findings: readonly Finding[]
  readonly snapshots: number
  readonly packs: number
  readonly blobs: number
  readonly packsRead: number
  readonly bytesRead: number
  /** Neither read nor looked into: they have to be thawed first. */
  readonly packsArchived: number
  readonly coverage: ReadCoverage
}

/** What checks of this machine have read by now of the packs that are there, and found sound. */
export interface ReadCoverage {
  readonly packsRead: number
  readonly packsNeverRead: number
  readonly readBytes: number
  readonly totalBytes: number
  /** When the one was read that was not read for longest; undefined: none was. */
  readonly oldestReadAt: Date | undefined
}

export interface PruneOptions extends RemoveOptions {
  readonly dryRun: boolean
  /** Only with `dryRun`: plan as if these snapshots were gone already. */
  readonly withoutSnapshots?: readonly Id[] | undefined
  /** Unused bytes to tolerate, as a part of all bytes; default 0.05. */
  readonly maxUnused?: number | undefined
  /** Rewrites packs of so many bytes at most; what is left is for the next time. */
  readonly maxRepackBytes?: number | undefined
  /** An empty folder for what need not be in memory. The caller removes it. Undefined: all is in memory. */
  readonly scratchDir?: string | undefined
  /** Then no index need be writable either, and no pack is rewritten. */
  readonly withoutLock?: boolean | undefined
  readonly signal: AbortSignal
  readonly onProgress?: ((progress: StepProgress) => void) | undefined
}

export interface PruneReport {
  readonly packsKept: number
  readonly packsRemoved: number
  readonly packsRepacked: number
  readonly bytesBefore: number
  readonly bytesAfter: number
  readonly bytesUnusedLeft: number
  /** What nothing needs and cannot go yet: it is locked. */
  readonly waiting: WaitingPacks | undefined
  readonly findings: readonly Finding[]
}

export interface WaitingPacks {
  readonly packs: number
  readonly bytes: number
  /** When the last of them can go; undefined where the storage does not say. */
  readonly until: Date | undefined
}

export interface StepProgress {
  readonly step: string
  readonly done: number
  readonly total: number | undefined
  readonly unit: 'bytes' | 'items'
}

export interface RepositoryStatistics {
  readonly snapshots: number
  readonly packs: number
  readonly blobs: number
  /** Bytes of all packs by the index. */
  readonly storedBytes: number
  /** Plaintext bytes of all blobs. */
  readonly uncompressedBytes: number
}
