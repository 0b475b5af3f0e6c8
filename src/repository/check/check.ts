import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import { formatSize } from '../../base/sizes.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import { listArchivedPacks } from '../archive/archived-packs.ts'
import type { CheckOptions, CheckReport, StepProgress } from '../contract/maintenance.ts'
import type { Snapshot } from '../contract/snapshot.ts'
import type { RepositoryContext, RepositoryFiles } from '../files/repository-files.ts'
import { BlobIndex } from '../index-store/blob-index.ts'
import { IdTable } from '../read/id-table.ts'
import type { ReadingWorkers } from '../read/reader.ts'
import { findAffected } from './affected.ts'
import { Damage, type OpenFinding } from './damage.ts'
import type { DamageRecord } from './damage-record.ts'
import { checkSmallFiles, checkSnapshots } from './files.ts'
import { takeInventory } from './inventory.ts'
import { PackTable } from './pack-table.ts'
import { checkPackData, checkPackHeaders, checkPackSizes, type PacksToCheck } from './packs.ts'
import { checkParity } from './parity.ts'
import type { ReadMemory } from './read-memory.ts'
import { chooseToRead, readsAll, readsNone } from './reading-plan.ts'
import { checkTrees } from './trees.ts'

/** What checking needs of an opened repository. The caller holds a shared lock. */
export interface CheckContext extends RepositoryContext {
  readonly files: RepositoryFiles
  readonly random: Random
  readonly workers: ReadingWorkers
  /** Gets what is bad, for the next backup. */
  readonly record?: DamageRecord
  /** Of what was read when. */
  readonly memory: ReadMemory
  readonly clock: Clock
}

/** So much to read that it is worth starting threads while the index is loaded. */
const MUCH_BYTES = 32 * 1024 * 1024

/**
 * Is everything there that the snapshots need, and is it what it was? Trusts no cache: what is stored is read. Damage is
 * findings; throws only when the storage fails or the signal fires.
 */
export async function check(context: CheckContext, options: CheckOptions): Promise<CheckReport> {
  const { signal } = options
  const damage = new Damage()
  const inventory = await takeInventory(context.storage, signal)
  const storedBytes = [...inventory.packs.values()].reduce((sum, bytes) => sum + bytes, 0)
  if (!readsNone(options.readData) && storedBytes > MUCH_BYTES) context.workers.warmUp()
  const snapshots = await checkSnapshots({ ...context, signal }, inventory, damage)
  await checkSmallFiles({ ...context, signal }, inventory, damage)
  const index = new BlobIndex({ files: context.files, cacheDir: undefined, random: context.random, eachPackOnce: true })
  await index.refresh(signal)
  const table = new PackTable(index, { data: new IdTable(), tree: new IdTable() })
  const from: PacksToCheck = { ...context, index, table, stored: inventory.packs, signal }
  const { toRead, ...read } = await checkPacks(from, context, damage, options)
  await checkParity(context, toRead, damage, signal)
  damage.settle(index)
  await context.record?.add(damage.badPlaces, readsAll(options.readData))
  await checkTrees(from, snapshots, index.findings, damage, progressOf('trees', 'items', options))
  const findings = await settleFindings(from, snapshots, damage)
  return { findings, snapshots: inventory.snapshot.length, packs: table.packs.size, blobs: table.blobs, ...read }
}

async function checkPacks(
  from: PacksToCheck,
  { random, memory, clock }: CheckContext,
  damage: Damage,
  options: CheckOptions,
): Promise<
  Pick<CheckReport, 'packsRead' | 'bytesRead' | 'packsArchived' | 'coverage'> & { readonly toRead: ReadonlySet<Id> }
> {
  const all = [...from.table.ids()].map(id => ({ id, sizeBytes: from.table.sizeOf(id) }))
  const archived = await listArchivedPacks(from.storage, from.signal)
  const there = checkPackSizes(from, damage)
  const whole = new Set(there.filter(pack => !archived.has(pack)))
  const left = there.filter(pack => archived.has(pack))
  if (left.length > 0) damage.add(notLookedInto(left, from, options), [])
  await memory.load()
  const toRead = new Set(
    chooseToRead(
      all.filter(({ id }) => whole.has(id)),
      options.readData,
      memory,
      random,
    ),
  )
  await checkPackHeaders(
    from,
    [...whole].filter(pack => !toRead.has(pack)),
    damage,
  )
  const total = [...toRead].reduce((sum, pack) => sum + from.table.sizeOf(pack), 0)
  const progress = progressOf('packs', 'bytes', options)
  let packsRead = 0
  let bytesRead = 0
  try {
    await checkPackData(from, [...toRead], damage, {
      onRead: bytes => {
        packsRead++
        bytesRead += bytes
        progress(bytesRead, total)
      },
      onSound: pack => memory.noteSound(pack, clock.now()),
    })
  } finally {
    // What a check that was stopped has read need not be read first again.
    for (const { id } of all) if (damage.isHurt(id)) memory.forget(id)
    await memory.save(from.table.ids())
  }
  return { toRead, packsRead, bytesRead, packsArchived: left.length, coverage: memory.coverage(all) }
}

function notLookedInto(
  packs: readonly Id[],
  { table }: PacksToCheck,
  { readData }: CheckOptions,
): OpenFinding['finding'] {
  const bytes = packs.reduce((sum, pack) => sum + table.sizeOf(pack), 0)
  return {
    severity: readsNone(readData) ? 'info' : 'warning',
    code: 'packs-archived',
    subject: `${packs.length} ${packs.length === 1 ? 'pack' : 'packs'}`,
    message: `${formatSize(bytes)} are there as the index says, but archived, and so were not looked into`,
    hint: 'To read them, let "lifeboat check --read-data --thaw" ask the service for them, which costs as much as a whole restore.',
  }
}

async function settleFindings(from: PacksToCheck, snapshots: readonly Snapshot[], damage: Damage): Promise<Finding[]> {
  const affected = damage.hasLost ? await findAffected(from, snapshots, damage, from.signal) : new Map<number, Id[]>()
  return damage.findings.map(({ finding, affects }, number) => ({
    ...finding,
    affects: affects ?? affected.get(number) ?? [],
  }))
}

function progressOf(
  step: string,
  unit: StepProgress['unit'],
  { onProgress }: CheckOptions,
): (done: number, total?: number) => void {
  return (done, total) => onProgress?.({ step, done, total, unit })
}
