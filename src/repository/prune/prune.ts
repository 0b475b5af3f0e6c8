import { forEachLimit } from '../../base/concurrency.ts'
import { AppError, isAppError, throwIfAborted } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import { listPacks } from '../check/inventory.ts'
import { PackTable } from '../check/pack-table.ts'
import type { PruneOptions, PruneReport } from '../contract/maintenance.ts'
import type { RepositoryContext, RepositoryFiles } from '../files/repository-files.ts'
import { shortId } from '../format/file-keys.ts'
import { BlobIndex } from '../index-store/blob-index.ts'
import type { BlobLocation } from '../index-store/segment.ts'
import type { RepackingWorkers } from '../pack/move-blobs.ts'
import { PackWriter, type SavedPack } from '../pack/pack-writer.ts'
import { surveyParity } from '../parity/survey-parity.ts'
import { Failure } from '../write/failure.ts'
import { adoptPacks } from './adopt.ts'
import { type PackUse, type PrunePlan, planPrune } from './plan.ts'
import { repack } from './repack.ts'
import { findDamagedIndexes, rewriteIndex } from './rewrite-index.ts'
import { PackUsage, type UsedBlobs } from './usage.ts'
import { findUsedBlobs, refusal, rootsOf } from './used-blobs.ts'

/** What pruning needs of an opened repository. The caller holds the exclusive lock (in a dry run a shared one). */
export interface PruneContext extends RepositoryContext {
  readonly files: RepositoryFiles
  readonly random: Random
  readonly workers: RepackingWorkers
}

const MAX_UNUSED = 0.05

/** What there is, what is needed, and what to do about it. */
interface Survey {
  readonly index: BlobIndex
  readonly stored: ReadonlyMap<Id, number>
  /** Packs that no index names: the remains of backups that were stopped. */
  readonly orphans: readonly Id[]
  /** Packs that the index names and that are gone or cut, but that nothing needs. */
  readonly vanished: readonly Id[]
  readonly damagedIndexes: ReadonlySet<Id>
  readonly usage: PackUsage
  readonly plan: PrunePlan
  readonly findings: Finding[]
}

/**
 * Frees what no snapshot needs. The order is the format's: new packs, new index, then the old index goes, then the old
 * packs; killed anywhere, every snapshot is whole, and the next run does the rest. An index that lost files is mended
 * from the packs on the way. Refuses (`damaged`) when it is not certain what is needed.
 */
export async function prune(context: PruneContext, options: PruneOptions): Promise<PruneReport> {
  const survey = await surveyRepository(context, options)
  return options.dryRun ? foresee(survey) : await execute(context, survey, options)
}

async function surveyRepository(context: PruneContext, options: PruneOptions): Promise<Survey> {
  const { signal } = options
  const without = new Set(options.dryRun ? options.withoutSnapshots : [])
  const roots = await rootsOf(context.files, without, signal)
  // Not the cached index: what is deleted is decided by what is stored.
  const index = new BlobIndex({ files: context.files, cacheDir: undefined, random: context.random })
  await index.refresh(signal)
  const damagedIndexes = await findDamagedIndexes(context.files, index)
  const stored = await listPacks(context.storage, signal)
  const { used, findings } = await findUsed(context, index, roots, stored, options)
  const table = new PackTable(index)
  const isWhole = (pack: Id): boolean => stored.get(pack) === table.sizeOf(pack)
  const usage = new PackUsage(used, { locations: () => readableLocations(index, isWhole) })
  const uses = [...usage.packUses(pack => table.tailBytesOf(pack))]
  assertPacks(uses, stored, pack => table.sizeOf(pack))
  const vanished = [...table.ids()].filter(id => !isWhole(id))
  const maxUnused = options.maxUnused ?? MAX_UNUSED
  const plan = planPrune(
    uses.filter(use => isWhole(use.id)),
    { maxUnused, version: context.version },
  )
  const orphans = [...stored.keys()].filter(id => !table.packs.has(id))
  return { index, stored, orphans, vanished, damagedIndexes, usage, plan, findings: [...index.findings, ...findings] }
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
  stored: ReadonlyMap<Id, number>,
  options: PruneOptions,
): Promise<{ readonly used: UsedBlobs; readonly findings: readonly Finding[] }> {
  const find = async (): Promise<UsedBlobs> => {
    const used = await findUsedBlobs({ ...context, index }, roots, options.signal)
    assertIndexed(used, index)
    return used
  }
  try {
    if (index.findings.length === 0) return { used: await find(), findings: [] }
  } catch (error) {
    if (!isAppError(error, 'damaged')) throw error
  }
  const findings = await adoptPacks(context, index, stored, options)
  return { used: await find(), findings }
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

function foresee({ plan, orphans, stored, findings }: Survey): PruneReport {
  const kept = sum(plan.keep.map(sizeOf))
  return {
    packsKept: plan.keep.length,
    packsRemoved: plan.remove.length + orphans.length,
    packsRepacked: plan.repack.length,
    bytesBefore: sum([...stored.values()]),
    bytesAfter: kept + sum(plan.repack.map(pack => pack.usedBytes)),
    bytesUnusedLeft: plan.unusedBytesLeft,
    findings,
  }
}

async function execute(context: PruneContext, survey: Survey, options: PruneOptions): Promise<PruneReport> {
  const { plan, orphans, vanished, stored, damagedIndexes } = survey
  const { signal } = options
  await removePacks(context, orphans, 'orphans', options)
  const { damaged, saved, savedBytes } = await repackAll(context, survey, options)
  const repacked = plan.repack.filter(pack => !damaged.has(pack.id))
  const old = [...plan.remove, ...repacked].map(pack => pack.id)
  const change = { gone: new Set([...old, ...vanished]), added: saved, damaged: damagedIndexes }
  // Until the new index is there, the old one is right; once the old one is gone, nothing names the old packs.
  const outdated = await rewriteIndex(context.files, change, signal)
  for (const id of outdated) await context.files.remove('index', id)
  await removePacks(context, [...old, ...vanished], 'packs', options)
  await sweepParity(context, signal)
  const kept = [...plan.keep, ...plan.repack.filter(pack => damaged.has(pack.id))]
  return {
    packsKept: kept.length,
    packsRemoved: plan.remove.length + orphans.length,
    packsRepacked: repacked.length,
    bytesBefore: sum([...stored.values()]),
    bytesAfter: sum(kept.map(sizeOf)) + savedBytes,
    bytesUnusedLeft: sum(kept.map(pack => pack.unusedBytes)),
    findings: [...survey.findings, ...damaged.values()],
  }
}

/** Of what anybody has removed, this or another program. */
async function sweepParity({ storage, files }: PruneContext, signal: AbortSignal): Promise<void> {
  const { orphaned } = await surveyParity(storage, files, signal)
  await forEachLimit(orphaned, storage.traits.concurrency, key => storage.remove(key, { signal }))
}

interface Repacked {
  readonly damaged: Map<Id, Finding>
  readonly saved: readonly SavedPack[]
  readonly savedBytes: number
}

async function repackAll(
  context: PruneContext,
  { plan, usage, index }: Survey,
  { signal, onProgress }: PruneOptions,
): Promise<Repacked> {
  const { storage, cipher } = context
  const failure = new Failure(signal)
  const saved: SavedPack[] = []
  const packs = new PackWriter({ storage, cipher, failure, onSaved: pack => saved.push(pack) })
  const total = sum(plan.repack.map(sizeOf))
  let done = 0
  try {
    const damaged = await repack({ ...context, usage, index, packs, signal: failure.signal }, plan.repack, pack => {
      done += sizeOf(pack)
      onProgress?.({ step: 'repack', done, total, unit: 'bytes' })
    })
    await packs.finish()
    return { damaged, saved, savedBytes: packs.bytesStored }
  } finally {
    await failure.idle()
  }
}

async function removePacks(
  context: PruneContext,
  ids: readonly Id[],
  step: string,
  { signal, onProgress }: PruneOptions,
): Promise<void> {
  let done = 0
  await forEachLimit(ids, context.storage.traits.concurrency, async id => {
    throwIfAborted(signal)
    await context.files.remove('pack', id)
    onProgress?.({ step: `remove ${step}`, done: ++done, total: ids.length, unit: 'items' })
  })
}

const sizeOf = (pack: PackUse): number => pack.usedBytes + pack.unusedBytes

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
