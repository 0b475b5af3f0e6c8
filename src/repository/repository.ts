import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { Secret } from '../base/secret.ts'
import type { Finding } from '../model/finding.ts'
import type { Id } from '../model/node.ts'
import type { Pin } from '../model/pin.ts'
import type { PackArchive } from './contract/archive.ts'
import type { FileType } from './contract/blob.ts'
import type { CopyOptions, CopyPlan, CopyReport } from './contract/copying.ts'
import type { LockExamination } from './contract/examining-locks.ts'
import type {
  ChangedPassword,
  KeyInfo,
  KeyLabel,
  LockInfo,
  LockWaitOptions,
  RemovedKey,
} from './contract/keys-and-locks.ts'
import type { LogStore } from './contract/logs.ts'
import type {
  CheckOptions,
  CheckReport,
  ChooseSnapshots,
  PruneOptions,
  PruneReport,
  RemoveOptions,
  RepositoryStatistics,
} from './contract/maintenance.ts'
import type { Contents, Helper } from './contract/reading.ts'
import type { RepositoryRepairs } from './contract/repairing.ts'
import type { LockedSnapshot, PinList, Snapshot, SnapshotList } from './contract/snapshot.ts'
import type { Writing, WritingOptions } from './contract/writing.ts'

/**
 * An opened repository in restic's format, over any byte store. Several processes may use one repository at once.
 * Nothing here holds an exclusive lock but `prune` and `removeSnapshots`.
 *
 * @see https://github.com/restic/restic/blob/master/doc/design.rst
 */
export interface Repository extends Contents {
  /** From the config file: 64 hex digits. */
  readonly id: Id
  readonly version: 1 | 2
  /** The storage's location, for people. */
  readonly location: string
  /** Is it one of the past, where nothing changes any more? What is found there proves nothing of now. */
  readonly frozen: boolean

  /** Logs of sources, kept beside the snapshots. */
  readonly logs: LogStore
  /** Undefined where every pack can be read at once. */
  readonly archive: PackArchive | undefined

  // ---- snapshots

  /** All readable snapshots, oldest first; unreadable ones are findings. */
  listSnapshots(): Promise<SnapshotList>
  /** By full id or unique prefix of at least 4 digits. `snapshot-not-found`, `ambiguous-id`, `damaged`. */
  getSnapshot(idOrPrefix: string): Promise<Snapshot>
  /**
   * Deletes snapshot files (only those; `prune` frees the space), under the exclusive lock. A function chooses among those
   * that are there then: what was listed before the lock was held may be gone by now, and with it what was to stay.
   * Returns those that the storage does not let go of.
   */
  removeSnapshots(which: readonly Id[] | ChooseSnapshots, options?: RemoveOptions): Promise<readonly LockedSnapshot[]>

  /**
   * When each snapshot's file was stored, by the storage's clock, to hold its time against (`findWrongTime`). Some storages
   * tell it of none.
   */
  readSnapshotTimes(signal?: AbortSignal): Promise<ReadonlyMap<Id, Date>>

  // ---- pins

  /** Those that have ended too. Unreadable ones are findings, and pin their snapshot all the same. */
  listPins(): Promise<PinList>
  /** In place of the pin that the snapshot has. `snapshot-not-found`; `unsupported` where a storage takes no pins. */
  savePin(pin: Pin, options?: LockWaitOptions): Promise<void>
  /** Was there any? */
  removePin(snapshot: Id, signal?: AbortSignal): Promise<boolean>

  // ---- reading

  /** One repository file (`config`, `snapshot`, `index`, `key`, `lock`) as JSON text, or a pack. */
  loadFile(type: FileType, id: Id): Promise<Buffer>
  /**
   * The same contents, with the help of others: what is damaged or cannot be reached here is taken from the first of them
   * that has it. Nothing is asked of them before.
   */
  withHelp(helpers: readonly Helper[]): Contents

  // ---- writing

  /** Starts adding data. Holds a shared, refreshed lock until `finish` or `abort`. */
  startWriting(options: WritingOptions): Promise<Writing>

  /**
   * Copies snapshots of another repository, with what they need and is not here yet. Those that are here already, copied by
   * this or by restic's `copy`, are passed over. Holds shared locks on both. `usage` when it is this repository itself.
   */
  copyFrom(source: Repository, snapshots: readonly Snapshot[], options: CopyOptions): Promise<CopyReport>
  /** What `copyFrom` would bring. Reads trees; writes nothing. */
  planCopyFrom(source: Repository, snapshots: readonly Snapshot[], options: CopyOptions): Promise<CopyPlan>

  // ---- maintenance

  check(options: CheckOptions): Promise<CheckReport>
  /** Could who has the present key destroy this repository? Stores an empty object and tries to destroy that one. */
  examineLocks(signal: AbortSignal): Promise<LockExamination>
  prune(options: PruneOptions): Promise<PruneReport>
  statistics(): Promise<RepositoryStatistics>

  /** In this order, each does what it can without loss. */
  readonly repairs: RepositoryRepairs

  // ---- keys and locks

  listKeys(): Promise<KeyInfo[]>
  addKey(password: Secret, label?: KeyLabel): Promise<KeyInfo>
  /** `last-key` when it is the only one; the key in use is refused too (`usage`). */
  removeKey(idOrPrefix: string): Promise<RemovedKey>
  /** Adds a key for the new password, makes it the one in use, then removes the one that this was opened with. */
  changePassword(password: Secret): Promise<ChangedPassword>
  listLocks(): Promise<LockInfo[]>
  /** The time that the storage stamps files with; undefined where it tells none or nothing can be written there. */
  readStorageClock(): Promise<Date | undefined>
  /** Removes stale locks, or with `all` every lock. Returns the removed. */
  unlock(options: { readonly all: boolean }): Promise<LockInfo[]>

  /** Closes its storage too. */
  close(): Promise<void>
}

export interface RepositoryOptions {
  readonly password: Secret
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Folder for what is kept on this machine, one subfolder a repository; undefined: nothing is. */
  readonly cacheDir: string | undefined
  /** Worker threads; default one a core. */
  readonly workers?: number | undefined
  /** How long to wait for a conflicting lock before `repository-locked`; default 0. */
  readonly lockWaitMs?: number | undefined
  /** Keep so much parity beside what is stored, as a part of it: 0.05. Undefined: none. Needs a storage that takes any key. */
  readonly parity?: number | undefined
  /** Called when a stale lock was removed, a damaged cache rebuilt, ... */
  readonly onFinding?: ((finding: Finding) => void) | undefined
}

export interface CreateOptions extends RepositoryOptions {
  readonly version?: 1 | 2 | undefined
}
