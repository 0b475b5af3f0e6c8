import type { Id } from '../../model/node.ts'
import type { LockWaitOptions } from '../contract/keys-and-locks.ts'
import type { ChooseSnapshots } from '../contract/maintenance.ts'
import type {
  IndexRepair,
  PacksRepair,
  ParityRepair,
  RepairOptions,
  RepositoryRepairs,
  SnapshotsRepair,
  SnapshotsRepairOptions,
} from '../contract/repairing.ts'
import type { BlobIndex } from '../index-store/blob-index.ts'
import type { HeldLock } from '../lock/held-lock.ts'
import type { RepairContext } from './repair-context.ts'
import { repairIndex } from './repair-index.ts'
import { repairPacks } from './repair-packs.ts'
import { repairParity } from './repair-parity.ts'
import { type RepairWriting, repairSnapshots } from './repair-snapshots.ts'

export interface RepairsParts {
  readonly context: (options: RepairOptions) => RepairContext
  readonly writing: (signal: AbortSignal) => RepairWriting
  readonly index: BlobIndex
  readonly whileShared: <T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) => Promise<T>
  readonly withExclusiveLock: <T>(options: LockWaitOptions, work: (lock: HeldLock) => Promise<T>) => Promise<T>
  /** Undefined: none is kept. */
  readonly writeParity: ((key: string, file: Buffer) => Promise<void>) | undefined
  readonly removeSnapshots: (which: ChooseSnapshots, options: LockWaitOptions) => Promise<void>
}

/** The repairs of an opened repository, each under the lock that it needs. */
export class Repairs implements RepositoryRepairs {
  readonly #parts: RepairsParts

  constructor(parts: RepairsParts) {
    this.#parts = parts
  }

  index(options: RepairOptions): Promise<IndexRepair> {
    return this.#locked(options, own => repairIndex(this.#parts.context(options), own))
  }

  packs(ids: readonly Id[], options: RepairOptions): Promise<PacksRepair> {
    return this.#locked(options, async own => {
      const { snapshots } = await this.#parts.writing(own.signal).snapshots.list()
      return await repairPacks(this.#parts.context(options), snapshots, ids, own)
    })
  }

  /** Only adds, so that a shared lock is enough; what is broken is removed under the exclusive one. */
  async snapshots(ids: readonly Id[], options: SnapshotsRepairOptions): Promise<SnapshotsRepair> {
    const { context, writing, whileShared, removeSnapshots } = this.#parts
    const report = await whileShared(options.signal, signal =>
      repairSnapshots(context(options), writing(signal), ids, { ...options, signal }),
    )
    if (options.dryRun || !options.forget) return report
    const broken = report.snapshots.flatMap(({ id, outcome }) => (outcome === 'healed' ? [] : [id]))
    let forgotten: readonly Id[] = []
    await removeSnapshots((_, pins) => {
      forgotten = broken.filter(id => !pins.some(pin => pin.snapshot === id))
      return forgotten
    }, options)
    return { ...report, snapshots: report.snapshots.map(each => ({ ...each, forgotten: forgotten.includes(each.id) })) }
  }

  /** Only adds, and removes what belongs to nothing. */
  parity(options: RepairOptions): Promise<ParityRepair> {
    const { context, whileShared, writeParity } = this.#parts
    return whileShared(options.signal, signal => repairParity(context(options), writeParity, { ...options, signal }))
  }

  async #locked<T>(options: RepairOptions, work: (options: RepairOptions) => Promise<T>): Promise<T> {
    const { whileShared, withExclusiveLock, index } = this.#parts
    if (options.dryRun) return await whileShared(options.signal, signal => work({ ...options, signal }))
    const report = await withExclusiveLock(options, lock =>
      work({ ...options, signal: AbortSignal.any([options.signal, lock.lost]) }),
    )
    await index.refresh(options.signal)
    return report
  }
}
