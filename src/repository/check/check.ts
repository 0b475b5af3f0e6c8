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
import { checkTrees } from './trees.ts'

/** What checking needs of an opened repository. The caller holds a shared lock. */
export interface CheckContext extends RepositoryContext {
  readonly files: RepositoryFiles
  readonly random: Random
  readonly workers: ReadingWorkers
  /** Gets what is bad, for the next backup. */
  readonly record?: DamageRecord
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
  if (options.readData * storedBytes > MUCH_BYTES) context.workers.warmUp()
  const snapshots = await checkSnapshots({ ...context, signal }, inventory, damage)
  await checkSmallFiles({ ...context, signal }, inventory, damage)
  const index = new BlobIndex({ files: context.files, cacheDir: undefined, random: context.random, eachPackOnce: true })
  await index.refresh(signal)
  const table = new PackTable(index, { data: new IdTable(), tree: new IdTable() })
  const from: PacksToCheck = { ...context, index, table, stored: inventory.packs, signal }
  const read = await checkPacks(from, context.random, damage, options)
  damage.settle(index)
  await context.record?.add(damage.badPlaces, options.readData >= 1)
  await checkTrees(from, snapshots, index.findings, damage, progressOf('trees', 'items', options))
  const findings = await settleFindings(from, snapshots, damage)
  return { findings, snapshots: inventory.snapshot.length, packs: table.packs.size, blobs: table.blobs, ...read }
}

async function checkPacks(
  from: PacksToCheck,
  random: Random,
  damage: Damage,
  options: CheckOptions,
): Promise<{ packsRead: number; bytesRead: number; packsArchived: number }> {
  const archived = await listArchivedPacks(from.storage, from.signal)
  const there = checkPackSizes(from, damage)
  const whole = there.filter(pack => !archived.has(pack))
  const packsArchived = there.length - whole.length
  if (packsArchived > 0)
    damage.add(
      notLookedInto(
        there.filter(pack => archived.has(pack)),
        from,
        options,
      ),
      [],
    )
  const toRead = new Set(choose(whole, options.readData, random))
  await checkPackHeaders(
    from,
    whole.filter(pack => !toRead.has(pack)),
    damage,
  )
  const total = [...toRead].reduce((sum, pack) => sum + from.table.sizeOf(pack), 0)
  const progress = progressOf('packs', 'bytes', options)
  let packsRead = 0
  let bytesRead = 0
  await checkPackData(from, [...toRead], damage, bytes => {
    packsRead++
    bytesRead += bytes
    progress(bytesRead, total)
  })
  return { packsRead, bytesRead, packsArchived }
}

function notLookedInto(
  packs: readonly Id[],
  { table }: PacksToCheck,
  { readData }: CheckOptions,
): OpenFinding['finding'] {
  const bytes = packs.reduce((sum, pack) => sum + table.sizeOf(pack), 0)
  return {
    severity: readData > 0 ? 'warning' : 'info',
    code: 'packs-archived',
    subject: `${packs.length} ${packs.length === 1 ? 'pack' : 'packs'}`,
    message: `${formatSize(bytes)} are there as the index says, but archived, and so were not looked into`,
    hint: 'To read them, let "lifeboat check --read-data --thaw" ask the service for them, which costs as much as a whole restore.',
  }
}

/** So many of the packs, picked at random: many partial checks get round to all of them. */
function choose(packs: readonly Id[], part: number, random: Random): Id[] {
  if (part >= 1) return [...packs]
  const count = part <= 0 ? 0 : Math.min(packs.length, Math.ceil(packs.length * part))
  const pool = [...packs]
  for (let at = 0; at < count; at++) {
    const other = at + (random.bytes(4).readUInt32LE(0) % (pool.length - at))
    const [a, b] = [pool[at], pool[other]]
    if (a !== undefined && b !== undefined) [pool[at], pool[other]] = [b, a]
  }
  return pool.slice(0, count)
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
