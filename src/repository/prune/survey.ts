import { AppError, isAppError } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import { listPacks } from '../check/inventory.ts'
import { PackTable } from '../check/pack-table.ts'
import type { PruneOptions } from '../contract/maintenance.ts'
import { shortId } from '../format/file-keys.ts'
import { BlobIndex } from '../index-store/blob-index.ts'
import type { BlobLocation } from '../index-store/segment.ts'
import { IdTable } from '../read/id-table.ts'
import { adoptPacks } from './adopt.ts'
import type { PruneContext } from './context.ts'
import { IndexTable } from './index-table.ts'
import { type PackUse, type PrunePlan, planPrune } from './plan.ts'
import { PackUsage, type UsedBlobs } from './usage.ts'
import { addUsedBlobs, refusal, rootsOf } from './used-blobs.ts'

const MAX_UNUSED = 0.05
/** Of the index; what is beyond is read from the scratch folder. */
const MEMORY_ENTRIES = 100_000

/** What there is, what is needed, and what to do about it. */
export interface Survey {
  readonly index: BlobIndex
  readonly indexTable: IndexTable
  /** Packs with their sizes. */
  readonly stored: ReadonlyMap<Id, number>
  /** Packs that no index names: the remains of backups that were stopped, or of some that go on. */
  readonly orphans: readonly Id[]
  /** Packs that the index names and that are gone or cut, but that nothing needs. */
  readonly vanished: readonly Id[]
  /** What the plan was made for; more come while it is carried out. */
  readonly snapshots: Set<Id>
  readonly used: UsedBlobs
  readonly planned: { readonly trees: number; readonly data: number }
  readonly usage: PackUsage
  readonly plan: PrunePlan
  readonly findings: Finding[]
}

/**
 * Reads what decides what goes. Backups may go on meanwhile: snapshots are listed first, then the index, then the packs,
 * for writers go the other way. The caller closes the index.
 */
export async function surveyRepository(context: PruneContext, options: PruneOptions): Promise<Survey> {
  const { signal } = options
  const without = new Set(options.dryRun ? options.withoutSnapshots : [])
  const snapshots = new Set((await context.files.listIds('snapshot')).filter(id => !without.has(id)))
  const roots = await rootsOf(context.files, [...snapshots], signal)
  const indexTable = new IndexTable()
  // Not the cached index: what is deleted is decided by what is stored.
  const index = new BlobIndex({
    files: context.files,
    cacheDir: options.scratchDir,
    memoryEntries: MEMORY_ENTRIES,
    random: context.random,
    eachPackOnce: true,
    onFile: (id, packs) => indexTable.add(id, packs),
  })
  try {
    await index.refresh(signal)
    const { used, stored, findings } = await findUsed(context, index, roots, options)
    const packs = planPacks(context, index, { used, stored }, options)
    return {
      index,
      indexTable,
      stored,
      snapshots,
      used,
      ...packs,
      planned: { trees: used.trees.size, data: used.data.size },
      findings: [...index.findings, ...findings, ...archivedLeft(context, packs.plan)],
    }
  } catch (error) {
    index.close()
    throw error
  }
}

function planPacks(
  { version, storage }: PruneContext,
  index: BlobIndex,
  { used, stored }: Pick<Survey, 'used' | 'stored'>,
  { maxUnused = MAX_UNUSED, maxRepackBytes, withoutLock = false }: PruneOptions,
): Pick<Survey, 'usage' | 'plan' | 'orphans' | 'vanished'> {
  const table = new PackTable(index)
  const isWhole = (pack: Id): boolean => stored.get(pack) === table.sizeOf(pack)
  const usage = new PackUsage(used, { locations: () => readableLocations(index, isWhole) })
  const uses = [...usage.packUses(pack => table.tailBytesOf(pack))]
  assertPacks(uses, stored, pack => table.sizeOf(pack))
  const isArchiving = storage.archive !== undefined
  const plan = planPrune(
    uses.filter(use => isWhole(use.id)),
    {
      maxUnused,
      version,
      maxRepackBytes: withoutLock ? 0 : maxRepackBytes,
      // Rewriting would take them out of the archive first, at a price that no freed byte is worth.
      leaves: pack => isArchiving && pack.type === 'data',
    },
  )
  const vanished = [...table.ids()].filter(id => !isWhole(id))
  const orphans = [...stored.keys()].filter(id => !table.packs.has(id))
  return { usage, plan, orphans, vanished }
}

function archivedLeft({ storage }: PruneContext, { keep }: PrunePlan): Finding[] {
  if (storage.archive === undefined) return []
  const packs = keep.filter(({ type, unusedBlobs }) => type === 'data' && unusedBlobs > 0)
  if (packs.length === 0) return []
  const unused = packs.reduce((total, pack) => total + pack.unusedBytes, 0)
  const message = `${formatSize(unused)} that nothing uses stay: they lie in packs with used data, in a class that has to be thawed before these can be rewritten`
  return [
    {
      severity: 'info',
      code: 'packs-archived',
      subject: `${packs.length} ${packs.length === 1 ? 'pack' : 'packs'}`,
      message,
    },
  ]
}

/** All but those in packs that are gone or cut, where another pack has the blob too. */
function* readableLocations(index: BlobIndex, isWhole: (pack: Id) => boolean): Generator<BlobLocation> {
  for (const place of index.locations()) {
    const elsewhere = (): boolean => index.findAll(place.type, place.id).some(copy => isWhole(copy.packId))
    if (isWhole(place.packId) || !elsewhere()) yield place
  }
}

/** What the snapshots need; where the index does not know it, the packs are asked. */
async function findUsed(
  context: PruneContext,
  index: BlobIndex,
  roots: readonly Id[],
  options: PruneOptions,
): Promise<Pick<Survey, 'used' | 'stored' | 'findings'>> {
  const find = async (): Promise<UsedBlobs> => {
    const used = { trees: new IdTable(), data: new IdTable() }
    await addUsedBlobs(used, { ...context, index }, roots, options.signal)
    assertIndexed(used, index)
    return used
  }
  try {
    if (index.findings.length === 0) {
      return { used: await find(), stored: await listPacks(context.storage, options.signal), findings: [] }
    }
  } catch (error) {
    if (!isAppError(error, 'damaged')) throw error
  }
  const mended = await mendIndex(context, index, options)
  return { used: await find(), ...mended }
}

/** Alone: a pack that no index names may be one that a backup has just stored, or one that another prune is removing. */
async function mendIndex(
  context: PruneContext,
  index: BlobIndex,
  { dryRun, signal }: PruneOptions,
): Promise<Pick<Survey, 'stored' | 'findings'>> {
  const mend = async (within: AbortSignal): Promise<Pick<Survey, 'stored' | 'findings'>> => {
    await index.refresh(within)
    const stored = await listPacks(context.storage, within)
    return { stored, findings: await adoptPacks(context, index, stored, { dryRun, signal: within }) }
  }
  return dryRun ? await mend(signal) : await context.turns.exclusively(mend)
}

function assertIndexed({ data }: UsedBlobs, index: BlobIndex): void {
  for (let number = 0; number < data.size; number++) {
    const id = data.idAt(number)
    if (!index.has('data', id)) {
      throw refusal(new AppError('damaged', `data blob ${shortId(id)}, which a snapshot needs, is in no index`))
    }
  }
}

/** Packs that are needed are there, and as long as the index says. */
function assertPacks(uses: readonly PackUse[], stored: ReadonlyMap<Id, number>, sizeOf: (pack: Id) => number): void {
  for (const use of uses) {
    const sizeBytes = stored.get(use.id)
    const expected = sizeOf(use.id)
    if (use.usedBlobs === 0 || sizeBytes === expected) continue
    const problem = sizeBytes === undefined ? 'is missing' : `has ${sizeBytes} bytes instead of ${expected}`
    throw refusal(new AppError('damaged', `pack ${shortId(use.id)}, which snapshots need, ${problem}`))
  }
}
