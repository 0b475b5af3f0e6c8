import { join } from 'node:path'
import type { Secret } from '../base/secret.ts'
import type { Finding } from '../model/finding.ts'
import type { Id, TreeNode } from '../model/node.ts'
import type { Pin } from '../model/pin.ts'
import { StoredArchive } from './archive/stored-archive.ts'
import { type Kept, openKept } from './cache/kept.ts'
import { check } from './check/check.ts'
import { DamageRecord } from './check/damage-record.ts'
import { NotedDamage } from './check/noted-damage.ts'
import { ReadMemory } from './check/read-memory.ts'
import type { PackArchive } from './contract/archive.ts'
import type { BlobSize, BlobType, FileType } from './contract/blob.ts'
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
import type { FileToWrite, RestoreOptions, WrittenBytes } from './contract/restoring.ts'
import type { LockedSnapshot, PinList, Snapshot, SnapshotList } from './contract/snapshot.ts'
import type { Writing, WritingOptions } from './contract/writing.ts'
import type { CopySource } from './copy/blob-copier.ts'
import { type CopyParts, copySnapshots, copyToItself } from './copy/copy.ts'
import { planCopy } from './copy/plan-copy.ts'
import { Cipher } from './crypto/cipher.ts'
import { openZstd } from './crypto/zstd.ts'
import { type RepositoryContext, RepositoryFiles } from './files/repository-files.ts'
import { BlobIndex } from './index-store/blob-index.ts'
import { KeyRing } from './key/key-ring.ts'
import { acquireLock } from './lock/acquire.ts'
import type { HeldLock } from './lock/held-lock.ts'
import { listLocks, unlock } from './lock/maintain.ts'
import { currentHost } from './lock/owner.ts'
import { readClock } from './lock/read-clock.ts'
import { StorageClock } from './lock/storage-clock.ts'
import { NO_TURNS, type TurnsRequest, whileAlone, whileSharedWithTurns } from './lock/turns.ts'
import { type SharedWork, whileShared } from './lock/while-shared.ts'
import { SealedLogStore } from './logs/log-store.ts'
import { MarkFolder } from './marks/mark-folder.ts'
import type { OpenedParts } from './opened-parts.ts'
import { ParityStorage, withParity } from './parity/parity-storage.ts'
import { PinStore } from './pins/pin-store.ts'
import { prune } from './prune/prune.ts'
import { contentsOf } from './read/contents-of.ts'
import { type OpenOther, OtherReaders } from './read/others.ts'
import type { OtherReader } from './read/reader.ts'
import { Reading, type ReadingParts } from './read/reading.ts'
import { Repairs } from './repair/repairs.ts'
import type { Repository } from './repository.ts'
import { examineLocks } from './retention/examine-locks.ts'
import { KnownEndsFile } from './retention/known-ends.ts'
import { type LockKeeper, lockKeeperOf } from './retention/lock-keeper.ts'
import { lockingStorage } from './retention/locking-storage.ts'
import { removeSnapshots } from './snapshots/remove-snapshots.ts'
import { SnapshotStore } from './snapshots/snapshot-store.ts'
import { statistics } from './statistics.ts'
import { WorkerPool } from './workers/pool.ts'
import { PackLooks } from './write/pack-looks.ts'
import { startWriting } from './write/running-writing.ts'

/** Puts the engine's parts together; each method is one call into the part that does the work. */
export class OpenedRepository implements Repository {
  readonly id: Id
  readonly version: 1 | 2
  readonly location: string
  readonly frozen: boolean
  readonly logs: LogStore
  readonly archive: PackArchive | undefined
  readonly repairs: RepositoryRepairs
  readonly #parts: OpenedParts
  readonly #context: RepositoryContext
  readonly #files: RepositoryFiles
  readonly #index: BlobIndex
  readonly #snapshots: SnapshotStore
  readonly #pins: PinStore
  readonly #keyRing: KeyRing
  readonly #workers: WorkerPool
  readonly #reading: Reading
  readonly #remembered: { readonly record: DamageRecord; readonly memory: ReadMemory }
  readonly #marks: MarkFolder | undefined
  readonly #locks: LockKeeper | undefined
  readonly #looks: PackLooks
  readonly #kept: Kept | undefined
  readonly #storageClock: StorageClock
  readonly #seenLocks = new Map<Id, number>()

  constructor(parts: OpenedParts) {
    const { options, config, keys, keyId } = parts
    const { random, clock } = options
    this.#workers = new WorkerPool({ keys, version: config.version, size: options.workers })
    const locking = lockingStorage(parts.storage)
    const storage = withParity(locking, options.parity, (file, part) => this.#workers.makeParity(file, part))
    const { isFar } = storage.traits
    this.id = config.id
    this.version = config.version
    this.location = storage.location
    this.frozen = storage.traits.frozen === true
    this.#parts = parts
    this.#context = { storage, version: config.version, cipher: new Cipher(keys, random), zstd: openZstd() }
    this.#files = new RepositoryFiles(this.#context)
    const cacheDir = options.cacheDir === undefined ? undefined : join(options.cacheDir, config.id)
    this.#index = new BlobIndex({ files: this.#files, cacheDir, random })
    this.archive = storage.archive && new StoredArchive(storage, storage.archive, this.#index)
    this.#storageClock = new StorageClock(this.#files, clock)
    this.#remembered = { record: new DamageRecord(cacheDir, random), memory: new ReadMemory(cacheDir, random) }
    this.#marks = cacheDir === undefined ? undefined : new MarkFolder(cacheDir, this.#context.cipher, random)
    this.#looks = new PackLooks({ cacheDir, isFar, clock, random })
    this.#kept =
      cacheDir === undefined || !isFar ? undefined : openKept(cacheDir, this.#context.cipher, { random, clock })
    this.#snapshots = new SnapshotStore({ ...this.#context, files: this.#files, cacheDir, random, isFar })
    this.#pins = new PinStore(storage, this.#context.cipher)
    this.#keyRing = new KeyRing({ storage, random, clock, onFinding: this.#onFinding }, keys, keyId)
    this.logs = new SealedLogStore(storage, { cipher: this.#context.cipher, workers: this.#workers })
    this.#reading = new Reading(this.#readingParts())
    const heard = { index: this.#index, snapshots: this.#snapshots, keys: parts.keyIds }
    this.#locks = lockKeeperOf(locking, heard, new KnownEndsFile(cacheDir, random), this.#onFinding)
    this.repairs = new Repairs({
      context: ({ helpers }) => ({ ...this.#maintenance(), others: othersOf(helpers) }),
      writing: signal => this.#writingParts(signal),
      index: this.#index,
      whileShared: (signal, work) => this.#whileShared(signal, work),
      withExclusiveLock: (lockOptions, work) => this.#withLock(true, lockOptions, work),
      writeParity: storage instanceof ParityStorage ? (key, file) => storage.saveParity(key, [file]) : undefined,
      removeSnapshots: async (which, lockOptions) => void (await this.removeSnapshots(which, lockOptions)),
    })
  }

  listSnapshots(): Promise<SnapshotList> {
    return this.#snapshots.list()
  }

  readSnapshotTimes(signal?: AbortSignal): Promise<ReadonlyMap<Id, Date>> {
    return this.#snapshots.readTimes(signal)
  }

  getSnapshot(idOrPrefix: string): Promise<Snapshot> {
    return this.#snapshots.get(idOrPrefix)
  }

  removeSnapshots(
    which: readonly Id[] | ChooseSnapshots,
    options: RemoveOptions = {},
  ): Promise<readonly LockedSnapshot[]> {
    const stores = { snapshots: this.#snapshots, pins: this.#pins }
    return whileAlone(this.#turnsRequest(options), signal => removeSnapshots(stores, which, signal))
  }

  listPins(): Promise<PinList> {
    return this.#pins.list()
  }

  async savePin(pin: Pin, options: LockWaitOptions = {}): Promise<void> {
    // Under the lock: nobody removes the snapshot between our look and the pin.
    await this.#withLock(false, options, async lock => {
      await this.getSnapshot(pin.snapshot)
      lock.lost.throwIfAborted()
      await this.#pins.save(pin, options.signal)
    })
  }

  removePin(snapshot: Id, signal?: AbortSignal): Promise<boolean> {
    return this.#pins.remove(snapshot, signal)
  }

  loadTree(id: Id): Promise<Iterable<TreeNode>> {
    return this.#reading.loadTree(id)
  }

  readContent(content: readonly Id[], signal?: AbortSignal): AsyncIterable<Buffer> {
    return this.#reading.readContent(content, signal)
  }

  loadContent(content: readonly Id[], signal?: AbortSignal): Promise<Buffer> {
    return this.#reading.loadContent(content, signal)
  }

  checkContent(content: readonly Id[], signal?: AbortSignal): AsyncIterable<number> {
    return this.#reading.checkContent(content, signal)
  }

  restoreFiles(files: Iterable<FileToWrite>, options: RestoreOptions): Promise<WrittenBytes> {
    return this.#whileShared(options.signal, signal => this.#reading.restoreFiles(files, { ...options, signal }))
  }

  loadBlob(type: BlobType, id: Id): Promise<Buffer> {
    return this.#reading.loadBlob(type, id)
  }

  loadFile(type: FileType, id: Id): Promise<Buffer> {
    return this.#reading.loadFile(type, id)
  }

  findBlobSizes(type: BlobType, ids: readonly Id[]): Promise<Array<BlobSize | undefined>> {
    return this.#reading.findBlobSizes(type, ids)
  }

  withHelp(helpers: readonly Helper[]): Contents {
    const reading = new Reading({ ...this.#readingParts(), others: otherReaders(helpers) })
    return contentsOf(reading, (signal, work) => this.#whileShared(signal, work, { isHelped: true }))
  }

  check(options: CheckOptions): Promise<CheckReport> {
    return this.#whileShared(options.signal, signal => check(this.#maintenance(), { ...options, signal }))
  }

  async examineLocks(signal: AbortSignal): Promise<LockExamination> {
    const parts = { files: this.#files, index: this.#index, snapshots: this.#snapshots }
    return await examineLocks(this.#context.storage, { ...parts, random: this.#parts.options.random }, signal)
  }

  async prune(options: PruneOptions): Promise<PruneReport> {
    const { clock } = this.#parts.options
    if (options.dryRun) {
      const context = { ...this.#maintenance(), clock, turns: NO_TURNS }
      return await this.#whileShared(options.signal, signal => prune(context, { ...options, signal }))
    }
    const report = await whileSharedWithTurns(this.#turnsRequest(options), (turns, signal) =>
      prune({ ...this.#maintenance(), clock, turns }, { ...options, signal }),
    )
    await this.#index.refresh(options.signal)
    return report
  }

  statistics(): Promise<RepositoryStatistics> {
    return statistics(this.#files, this.#index)
  }

  startWriting({ signal }: WritingOptions): Promise<Writing> {
    return startWriting({ ...this.#writingParts(signal), marks: this.#marks })
  }

  async copyFrom(source: Repository, snapshots: readonly Snapshot[], options: CopyOptions): Promise<CopyReport> {
    const other = this.#other(source)
    const noted = new NotedDamage(other.#remembered.record)
    try {
      return await other.#whileShared(options.signal, signal =>
        copySnapshots(other.#copySource(noted, options), this.#writingParts(signal), snapshots, options),
      )
    } finally {
      await noted.keep()
    }
  }

  async planCopyFrom(source: Repository, snapshots: readonly Snapshot[], options: CopyOptions): Promise<CopyPlan> {
    const other = this.#other(source)
    const to = { index: this.#index, snapshots: this.#snapshots }
    return await other.#whileShared(options.signal, signal =>
      planCopy(other.#copySource(new NotedDamage(other.#remembered.record), options), to, snapshots, {
        ...options,
        signal,
      }),
    )
  }

  #other(source: Repository): OpenedRepository {
    if (source.id === this.id && source.location === this.location) throw copyToItself(this.location)
    return opened(source)
  }

  #copySource(noted: NotedDamage, { helpers }: CopyOptions): CopySource {
    const [index, keptPacks, others] = [this.#index, this.#kept?.packs, othersOf(helpers)]
    const reader = { ...this.#context, index, workers: this.#workers, keptPacks, noted, others }
    return { reader, index, files: this.#files, keys: this.#parts.keys }
  }

  listKeys(): Promise<KeyInfo[]> {
    return this.#keyRing.list()
  }

  addKey(password: Secret, label: KeyLabel = currentHost()): Promise<KeyInfo> {
    return this.#keyRing.add(password, label)
  }

  removeKey(idOrPrefix: string): Promise<RemovedKey> {
    return this.#withLock(true, {}, () => this.#keyRing.remove(idOrPrefix))
  }

  changePassword(password: Secret): Promise<ChangedPassword> {
    return this.#keyRing.changePassword(password, currentHost())
  }

  listLocks(): Promise<LockInfo[]> {
    return listLocks(this.#lockRequest(false, {}))
  }

  readStorageClock(): Promise<Date | undefined> {
    return readClock(this.#storageClock, this.#lockRequest(false, {}))
  }

  unlock(options: { readonly all: boolean }): Promise<LockInfo[]> {
    return unlock(this.#lockRequest(false, {}), options.all)
  }

  async close(): Promise<void> {
    await this.#workers.close()
    this.#index.close()
    await this.#context.storage.close()
  }

  /** Runs `work` under a lock of its own. */
  async #withLock<T>(exclusive: boolean, options: LockWaitOptions, work: (lock: HeldLock) => Promise<T>): Promise<T> {
    const lock = await acquireLock(this.#lockRequest(exclusive, options))
    try {
      return await work(lock)
    } finally {
      await lock.release()
    }
  }

  /** As a helper of another one. */
  readonly asOther = (onTaken: OtherReader['onTaken']): Promise<OtherReader> => this.#reading.asOther(onTaken)

  /** See `whileShared`. */
  async #whileShared<T>(
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
    { isHelped }: Pick<SharedWork, 'isHelped'> = {},
  ): Promise<T> {
    if (this.frozen) return await work(signal)
    const lock = this.#lockRequest(false, {})
    return await whileShared({ lock, signal, onFinding: this.#onFinding, ...(isHelped ? { isHelped } : {}) }, work)
  }

  #readingParts(): ReadingParts {
    return {
      context: this.#context,
      files: this.#files,
      index: this.#index,
      workers: this.#workers,
      record: this.#remembered.record,
      marks: this.#marks,
      kept: this.#kept,
    }
  }

  #maintenance() {
    const { random, clock } = this.#parts.options
    return { ...this.#context, ...this.#remembered, files: this.#files, random, clock, workers: this.#workers }
  }

  #writingParts(signal: AbortSignal): CopyParts {
    return {
      context: this.#context,
      files: this.#files,
      index: this.#index,
      snapshots: this.#snapshots,
      workers: this.#workers,
      lock: this.#lockRequest(false, { signal }),
      record: this.#remembered.record,
      looks: this.#looks,
      kept: this.#kept,
      clock: this.#parts.options.clock,
      locks: this.#locks,
      signal,
    }
  }

  #turnsRequest(options: LockWaitOptions & Pick<PruneOptions, 'withoutLock'>): TurnsRequest {
    const { signal = new AbortController().signal, withoutLock = false } = options
    return { ...this.#lockRequest(true, options), signal, withoutLock }
  }

  #lockRequest(exclusive: boolean, { lockWaitMs, signal }: LockWaitOptions) {
    const { clock, random } = this.#parts.options
    const waitMs = lockWaitMs ?? this.#parts.options.lockWaitMs ?? 0
    const locks = { files: this.#files, clock, storageClock: this.#storageClock, seen: this.#seenLocks }
    return { ...locks, random, exclusive, waitMs, signal, onFinding: this.#onFinding }
  }

  readonly #onFinding = (finding: Finding): void => this.#parts.options.onFinding?.(finding)
}

const othersOf = (helpers: readonly Helper[] = []): OtherReaders | undefined =>
  helpers.length > 0 ? new OtherReaders(otherReaders(helpers)) : undefined

const otherReaders = (helpers: readonly Helper[]): OpenOther[] => helpers.map(helper => () => asOther(helper))

const asOther = async ({ open, onTaken }: Helper): Promise<OtherReader> => opened(await open()).asOther(onTaken)

function opened(repository: Contents): OpenedRepository {
  if (repository instanceof OpenedRepository) return repository
  throw new TypeError('not a repository that this engine opened')
}
