import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import type { LockWaitOptions } from './keys-and-locks.ts'
import type { StepProgress } from './maintenance.ts'
import type { Helper } from './reading.ts'
import type { Snapshot } from './snapshot.ts'

export interface RepairOptions extends LockWaitOptions {
  /** Only say what would be done: nothing is written. */
  readonly dryRun: boolean
  readonly signal: AbortSignal
  readonly onProgress?: ((progress: StepProgress) => void) | undefined
  /** Asked for what this repository cannot give back. */
  readonly helpers?: readonly Helper[] | undefined
}

/** What was done, or in a dry run would be. */
export interface IndexRepair {
  /** Config, key and index files, and packs that were gone, put back by their parity: keys of the storage. */
  readonly healed: readonly string[]
  /** Index files that could not be read, and have no parity. */
  readonly damaged: readonly Id[]
  /** Packs that no index named, or not as they are: indexed anew by their own headers. */
  readonly indexed: readonly Id[]
  /** Packs that the index named and that are gone. */
  readonly dropped: readonly Id[]
  readonly findings: readonly Finding[]
}

/** A pack that is damaged, and what became of it. */
export interface RepairedPack {
  readonly id: Id
  readonly state: 'missing' | 'cut' | 'damaged'
  /** Put back as it was, by its parity; then nothing of the following was needed. */
  readonly healed: boolean
  /** Blobs of it that are whole in it. */
  readonly salvaged: number
  /** Blobs that another pack of this repository has, or another repository. */
  readonly found: number
  /** Needed blobs that nobody has any more. */
  readonly lost: number
}

export interface PacksRepair {
  /** Damaged ones. */
  readonly packs: readonly RepairedPack[]
  /** Looked at, and nothing was wrong with them. */
  readonly sound: readonly Id[]
  /** Needed blobs that no index named and that another repository had. */
  readonly fetched: number
  /** Needed blobs that no index names and that nobody has. */
  readonly absent: number
  /** Snapshots that need what nobody has any more: half of one is no snapshot. */
  readonly hurt: readonly Id[]
  readonly findings: readonly Finding[]
}

export interface SnapshotsRepairOptions extends RepairOptions {
  /** Remove those that cannot be read whole, once what can be read of them is a snapshot of its own. */
  readonly forget: boolean
}

/** A snapshot that cannot be read whole. */
export interface RepairedSnapshot {
  readonly id: Id
  /** Undefined: its file cannot be read. */
  readonly snapshot: Snapshot | undefined
  /** What is left of it. In a dry run, and where nothing is left, undefined. */
  readonly replacement: Snapshot | undefined
  /** `healed`: its file was put back by its parity. */
  readonly outcome: 'healed' | 'rewritten' | 'rewritten-before' | 'nothing-left'
  /** Paths that are left out; the first thousand. */
  readonly lost: readonly string[]
  readonly lostCount: number
  readonly forgotten: boolean
}

export interface SnapshotsRepair {
  readonly snapshots: readonly RepairedSnapshot[]
  /** Those that can be read whole. */
  readonly sound: number
  readonly findings: readonly Finding[]
}

export interface ParityRepair {
  /** Files that had no parity. */
  readonly missing: number
  /** Whose parity was damaged. */
  readonly damaged: number
  /** Parity of files that are gone. */
  readonly removed: number
  readonly findings: readonly Finding[]
}

export interface RepositoryRepairs {
  /** Makes the index say what the packs hold. `damaged` where there is no pack at all. */
  index(options: RepairOptions): Promise<IndexRepair>
  /**
   * Saves what is whole in damaged packs, and brings back what parity, another pack or a helper has. No ids: packs that are
   * missing, have the wrong size, or were found damaged on this machine. `damaged` while the index is.
   */
  packs(ids: readonly Id[], options: RepairOptions): Promise<PacksRepair>
  /** Makes of snapshots that cannot be read whole such that can. `damaged` while packs or the index can be repaired. */
  snapshots(ids: readonly Id[], options: SnapshotsRepairOptions): Promise<SnapshotsRepair>
  /** Writes parity that is missing or damaged. `usage` where none is kept. */
  parity(options: RepairOptions): Promise<ParityRepair>
}
