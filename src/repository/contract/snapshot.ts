import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { Pin } from '../../model/pin.ts'

export interface Snapshot {
  readonly id: Id
  readonly time: Date
  readonly tree: Id
  readonly paths: readonly string[]
  readonly hostname: string
  readonly username: string
  readonly uid?: number
  readonly gid?: number
  readonly tags: readonly string[]
  readonly excludes?: readonly string[]
  readonly parent?: Id
  readonly original?: Id
  readonly programVersion?: string
  readonly summary?: SnapshotSummary
}

/** restic's snapshot summary (since its 0.17), so that both tools show the same figures. */
export interface SnapshotSummary {
  readonly backupStart: Date
  readonly backupEnd: Date
  readonly filesNew: number
  readonly filesChanged: number
  readonly filesUnmodified: number
  readonly dirsNew: number
  readonly dirsChanged: number
  readonly dirsUnmodified: number
  readonly dataBlobs: number
  readonly treeBlobs: number
  /** Plaintext bytes of blobs that were new. */
  readonly dataAdded: number
  /** What they take in the repository: compressed, sealed. */
  readonly dataAddedPacked: number
  readonly totalFilesProcessed: number
  readonly totalBytesProcessed: number
}

export interface SnapshotList {
  readonly snapshots: readonly Snapshot[]
  readonly findings: readonly Finding[]
}

/** One that was to go. */
export interface LockedSnapshot {
  readonly id: Id
  /** When its lock ends; undefined where the storage does not say. */
  readonly until: Date | undefined
}

export interface PinList {
  /** One a snapshot. */
  readonly pins: readonly Pin[]
  readonly findings: readonly Finding[]
}
